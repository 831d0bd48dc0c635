// What the environment asks of the emulator. README.md lists the variables.
#pragma once
#include <cstdint>
#include <string>

namespace cuemu {

enum class Order { forward, reverse, random };
enum class Schedule { lazy, eager, random };

// At which call of which kind the device fails; 0: never.
struct Failures {
  long alloc = 0, launch = 0, address = 0, lost = 0;
};

struct Options {
  int devices = 1;
  uint64_t memory = (uint64_t)8 << 30;  // bytes a device
  int capability = 90;                  // major × 10 + minor
  int driver = 12080;                   // as cuDriverGetVersion says it
  int threads = 0;                      // of the CPU, that run blocks
  Order warps = Order::forward;
  uint64_t warp_seed = 1;
  bool late_copies = true;  // cp.async lands at its wait, else at once
  Schedule streams = Schedule::lazy;
  uint64_t stream_seed = 1;
  Failures failures;
  std::string launched;  // file, or empty
  std::string error;     // what is wrong with the environment, or empty
};

// options are read once, when they are first asked for.
const Options& options();

}  // namespace cuemu
