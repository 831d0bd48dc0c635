// The fiber switch: registers that a function call preserves go to the old stack, those of
// the new stack come back. In assembly for x86-64 and AArch64; elsewhere, or with
// -DCUEMU_UCONTEXT, by ucontext, which makes a system call for each switch.
#include "fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace cuemu {

namespace {

#if CUEMU_ASAN
constexpr size_t STACK = 512 << 10;  // frames are larger with red zones
#else
constexpr size_t STACK = 128 << 10;
#endif
constexpr size_t GUARD = 64 << 10;  // a page, of any machine's size

}  // namespace

#ifndef CUEMU_UCONTEXT
extern "C" void cuemu_switch(void** save, void* to);
extern "C" void cuemu_begin();
#if defined(__x86_64__)
asm(R"(
.text
.globl cuemu_switch
.hidden cuemu_switch
.type cuemu_switch,@function
cuemu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuemu_switch,.-cuemu_switch
.globl cuemu_begin
.hidden cuemu_begin
.type cuemu_begin,@function
cuemu_begin:
  xorl %ebp, %ebp
  callq *%rbx
  ud2
.size cuemu_begin,.-cuemu_begin
)");
constexpr int SAVED = 7;                 // words that cuemu_switch leaves on a stack
constexpr int ENTRY_WORD = 4, PC_WORD = 6;  // rbx and the return address
#else
asm(R"(
.text
.globl cuemu_switch
.hidden cuemu_switch
.type cuemu_switch,%function
cuemu_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size cuemu_switch,.-cuemu_switch
.globl cuemu_begin
.hidden cuemu_begin
.type cuemu_begin,%function
cuemu_begin:
  mov x29, xzr
  blr x19
  brk #1
.size cuemu_begin,.-cuemu_begin
)");
constexpr int SAVED = 20;
constexpr int ENTRY_WORD = 0, PC_WORD = 11;  // x19 and x30
#endif
#endif

Fiber::~Fiber() {
  if (mapped_) munmap(stack_ - GUARD, size_ + GUARD);
}

void Fiber::map(unsigned number) {
  void* p = mmap(nullptr, STACK + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE)) {
    perror("cuemu: map the stack of a CUDA thread");
    abort();
  }
  stack_ = (char*)p + GUARD;
  size_ = STACK;
  mapped_ = true;
  top_ = stack_ + STACK - number % 61 * 256;
}

void Fiber::adopt() {
  pthread_attr_t attr;
  void* low;
  if (pthread_getattr_np(pthread_self(), &attr)) return;
  pthread_attr_getstack(&attr, &low, &size_);
  pthread_attr_destroy(&attr);
  stack_ = (char*)low;
}

void Fiber::prepare(void (*entry)()) {
#if CUEMU_ASAN
  __asan_unpoison_memory_region(stack_, size_);  // what an abandoned stack left behind
  fake_ = nullptr;
#endif
#ifdef CUEMU_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = top_ - stack_;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#else
  uintptr_t top = (uintptr_t)top_ & ~(uintptr_t)63;  // cuemu_begin starts with an aligned stack
  void** saved = (void**)top - SAVED;
  for (int i = 0; i < SAVED; i++) saved[i] = nullptr;
  saved[ENTRY_WORD] = (void*)entry;
  saved[PC_WORD] = (void*)cuemu_begin;
  sp_ = saved;
#endif
}

void Fiber::switch_to(Fiber& other) {
#if CUEMU_ASAN
  __sanitizer_start_switch_fiber(&fake_, other.stack_, other.size_);
#endif
#ifdef CUEMU_UCONTEXT
  swapcontext(&context_, &other.context_);
#else
  cuemu_switch(&sp_, other.sp_);
#endif
#if CUEMU_ASAN
  __sanitizer_finish_switch_fiber(fake_, nullptr, nullptr);
#endif
}

void Fiber::entered() {
#if CUEMU_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace cuemu
