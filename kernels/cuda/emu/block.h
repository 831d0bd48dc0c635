// A block of CUDA threads on the CPU: what kernels see of it, and how it is run.
//
// Each CUDA thread (Lane) runs until it ends or has to wait for others: at a barrier, or at
// an operation of its warp. It then keeps its stack, and the next lane runs. Warps run in
// the order that the options choose, each as far as it can before the next.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fiber.h"
#include "result.h"

namespace cuemu {

struct Index {
  unsigned x, y, z;
};

struct Block;
struct Warp;

// A cp.async that has been issued and is not waited for.
struct Copy {
  unsigned char* to;
  int bytes, group;
  unsigned char data[16];
};

// Lane is a CUDA thread.
struct Lane {
  Index thread;  // threadIdx
  unsigned number;  // in its warp
  Block* block;
  Warp* warp;
  Fiber* fiber;  // null until it first runs
  // What it waits in, or did last: a line of a barrier, an operation of the warp.
  const char* file;
  int line;
  const char* operation;  // null: a barrier
  uint32_t mask;
  const void* in;  // what it contributes to the operation, on its stack
  void* out;       // where it wants the result
  int immediate;
  std::vector<Copy> copies;
  int group;  // of copies, not yet committed
};

struct Warp {
  uint32_t all;      // lanes that there are
  uint32_t live;     // that have not ended
  uint32_t ready;    // that can run
  uint32_t arrived;  // that wait in an operation of the warp
  unsigned place;    // in the order of the block's warps
  bool backward;     // lanes run from the last
  Lane* lanes;
};

// A kernel is called for each lane with the addresses of its arguments.
using Kernel = void (*)(void* const* args);

// Fault is why a block was given up: a CUresult and a line for people.
struct Fault {
  int code = 0;
  std::string text;
};

// What the blocks of a launch have in common.
struct Grid {
  Kernel kernel;
  const char* name;
  void* const* args;
  Index blocks, threads;
  unsigned dynamic_shared, shared_limit;  // bytes
  int arch;       // the kernel's code was compiled for, as 80
  uint64_t seed;  // of orders
};

// Block runs the blocks of a grid, one after the other, on one thread of the CPU.
struct Block {
  Index index, threads, grid;

  Block();
  ~Block();
  void begin(const Grid& g);                  // prepares for the grid's blocks
  bool run(Index block, uint64_t number);     // false: fault says why
  Fault fault;
  const Grid* launch = nullptr;
  unsigned static_shared() const { return static_bytes_; }  // bytes, as far as blocks ran

  // For the lanes.
  void barrier(const char* file, int line);
  void collective(const char* operation, uint32_t mask, const void* in, void* out, int immediate, void (*all)(Warp*, uint32_t), const char* file, int line);
  void* shared_variable(const void* site, size_t bytes, size_t alignment);
  unsigned char* arena() { return arena_; }
  [[noreturn]] void fail(int code, const char* format, ...) __attribute__((format(printf, 3, 4)));

 private:
  struct Variable {
    const void* site;
    size_t at, bytes;
    uint64_t filled;  // the block for which it was poisoned last
  };
  static void carrier();
  Lane* next();
  void suspend(Lane* lane);
  void ended(Lane* lane);
  void order(uint64_t number);
  [[noreturn]] void stuck();
  [[noreturn]] void give_up();
  uint32_t all_places() const { return warps_.size() == 32 ? ~0u : (1u << warps_.size()) - 1; }
  Fiber* idle_fiber();

  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  Warp* places_[32];
  uint32_t ready_places_ = 0;
  Warp* current_ = nullptr;
  unsigned live_ = 0, arrived_ = 0;
  const char* barrier_file_ = nullptr;  // where the lanes that arrived wait
  int barrier_line_ = 0;
  Lane* starting_ = nullptr;   // for the carrier that is switched to
  Fiber* running_ = nullptr;   // null: main_
  Fiber main_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  unsigned used_ = 0;  // fibers prepared for this block
  std::vector<Variable> variables_;
  unsigned char* arena_;
  size_t arena_used_ = 0, static_bytes_ = 0;
  uint64_t blocks_run_ = 0;
  std::minstd_rand random_;
  bool shuffled_ = false;
};

// The lane that runs on this thread of the CPU.
extern __thread Lane* current __attribute__((tls_model("initial-exec")));

inline void barrier(const char* file, int line) { current->block->barrier(file, line); }
inline void* dynamic_shared() { return current->block->arena(); }
inline void* shared_variable(const void* site, size_t bytes, size_t alignment) {
  return current->block->shared_variable(site, bytes, alignment);
}

}  // namespace cuemu
