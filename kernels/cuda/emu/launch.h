// Runs the blocks of a launch on the threads of the CPU.
#pragma once
#include "kernel.h"

namespace cuemu {

struct Launch {
  const Function* function;
  Index blocks, threads;
  unsigned dynamic_shared, shared_limit;  // bytes
  int arch;                               // of the code, as 80
  std::vector<uint64_t> args;             // one word each
};

// run_grid runs all blocks of a launch; a fault of any of them ends it.
Fault run_grid(const Launch& l, uint64_t number);

}  // namespace cuemu
