// Blocks are handed to a pool of threads, which live as long as the process.
#include "launch.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>

#include "options.h"

namespace cuemu {

namespace {

// Work is a launch that the pool runs.
struct Work {
  Grid grid;
  uint64_t blocks;
  uint64_t stride;  // in which blocks run, prime to their number
  std::atomic<uint64_t> next{0};
  std::mutex mu;
  Fault fault;  // guarded by mu
  std::atomic<bool> failed{false};

  void run(Block& b) {
    b.begin(grid);
    for (uint64_t i; !failed && (i = next++) < blocks;) {
      uint64_t n = options().warps == Order::reverse ? blocks - 1 - i : i * stride % blocks;
      unsigned x = grid.blocks.x, y = grid.blocks.y;
      if (b.run({(unsigned)(n % x), (unsigned)(n / x % y), (unsigned)(n / x / y)}, n)) continue;
      std::lock_guard<std::mutex> lock(mu);
      if (!failed) fault = b.fault;
      failed = true;
    }
  }
};

class Pool {
 public:
  // run runs w on up to so many threads beside the caller's, and returns when none of them
  // is at work on it any more.
  void run(Work& w, int helpers) {
    static thread_local std::unique_ptr<Block> own;
    if (!own) own = std::make_unique<Block>();
    {
      std::lock_guard<std::mutex> lock(mu_);
      while ((int)workers_ < helpers) {
        std::thread(&Pool::serve, this).detach();
        workers_++;
      }
      work_ = &w;
      wanted_ = helpers;
    }
    if (helpers) wake_.notify_all();
    w.run(*own);
    std::unique_lock<std::mutex> lock(mu_);
    wanted_ = 0;
    done_.wait(lock, [&] { return busy_ == 0; });
    work_ = nullptr;
  }

 private:
  void serve() {
    sigset_t all;
    sigfillset(&all);
    for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, s);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    Block block;
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      wake_.wait(lock, [&] { return wanted_ > 0; });
      wanted_--;
      busy_++;
      Work* w = work_;
      lock.unlock();
      w->run(block);
      lock.lock();
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex mu_;
  std::condition_variable wake_, done_;
  Work* work_ = nullptr;
  unsigned workers_ = 0;
  int wanted_ = 0, busy_ = 0;
};

}  // namespace

Fault run_grid(const Launch& l, uint64_t number) {
  static Pool& pool = *new Pool;  // its threads outlive the statics
  std::vector<void*> args;
  for (const uint64_t& a : l.args) args.push_back((void*)&a);
  Work w;
  uint64_t seed = options().warp_seed * 1000 + number;
  w.grid = {l.function->call, l.function->name, args.data(), l.blocks, l.threads, l.dynamic_shared, l.shared_limit, l.arch, seed};
  w.blocks = (uint64_t)l.blocks.x * l.blocks.y * l.blocks.z;
  w.stride = 1;
  if (options().warps == Order::random)
    for (w.stride = seed % w.blocks + 1; std::gcd(w.stride, w.blocks) != 1; w.stride++) {}
  int threads = options().threads;
  pool.run(w, (int)std::min<uint64_t>(threads, w.blocks) - 1);
  if (w.failed) w.fault.text = std::string(l.function->source->name) + ": " + l.function->name + ": " + w.fault.text;
  return w.fault;
}

}  // namespace cuemu
