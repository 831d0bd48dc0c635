// Stacks and the switch between them. A CUDA thread that has to wait keeps its stack; the
// scheduler in block.cc goes on with another thread on another stack.
#pragma once
#include <cstddef>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define CUEMU_ASAN 1
#else
#define CUEMU_ASAN 0
#endif
#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(CUEMU_UCONTEXT)
#define CUEMU_UCONTEXT
#endif
#ifdef CUEMU_UCONTEXT
#include <ucontext.h>
#endif

namespace cuemu {

// Fiber is a stack and, while it is not running, where it stands.
class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  ~Fiber();

  // map reserves the stack with a page below it that faults. number spreads the tops of
  // stacks over the sets of the caches.
  void map(unsigned number);

  // prepare makes the fiber begin at entry when it is next switched to, whatever it was
  // doing. entry must never return.
  void prepare(void (*entry)());

  // switch_to leaves this fiber, which is running, and goes on with another one. It
  // returns when something switches back to this fiber.
  void switch_to(Fiber& other);

  // adopt makes the fiber stand for the running thread and its own stack.
  void adopt();

  // entered must be the first call of an entry.
  static void entered();

 private:
  char* stack_ = nullptr;  // lowest byte
  size_t size_ = 0;        // bytes of it
  bool mapped_ = false;    // by map
  char* top_ = nullptr;
#ifdef CUEMU_UCONTEXT
  ucontext_t context_;
#else
  void* sp_ = nullptr;  // stack pointer, at the saved registers
#endif
#if CUEMU_ASAN
  void* fake_ = nullptr;  // AddressSanitizer's own frames of this fiber
#endif
};

}  // namespace cuemu
