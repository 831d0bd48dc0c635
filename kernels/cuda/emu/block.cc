// Runs the threads of a block. See block.h.
#include "block.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "options.h"
#include "result.h"

namespace cuemu {

__thread Lane* current __attribute__((tls_model("initial-exec")));

namespace {

constexpr size_t ARENA = 512 << 10;  // more than the shared memory of any block, with red zones
constexpr size_t RED = CUEMU_ASAN ? 64 : 0;
constexpr int POISON = 0xff;  // makes NaNs of floats, −1 of integers

unsigned lowest(uint32_t bits) { return __builtin_ctz(bits); }
unsigned highest(uint32_t bits) { return 31 - __builtin_clz(bits); }

#if CUEMU_ASAN
void fence_off(void* p, size_t n) { __asan_poison_memory_region(p, n); }
void open_up(void* p, size_t n) { __asan_unpoison_memory_region(p, n); }
#else
void fence_off(void*, size_t) {}
void open_up(void*, size_t) {}
#endif

}  // namespace

Block::Block() {
  arena_ = (unsigned char*)mmap(nullptr, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena_ == MAP_FAILED) {
    perror("cuemu: map shared memory");
    abort();
  }
  main_.adopt();
}

Block::~Block() {
  open_up(arena_, ARENA);
  munmap(arena_, ARENA);
}

void Block::begin(const Grid& g) {
  launch = &g;
  grid = g.blocks;
  threads = g.threads;
  unsigned n = threads.x * threads.y * threads.z;
  if (lanes_.size() != n) {
    lanes_ = std::vector<Lane>(n);
    warps_ = std::vector<Warp>((n + 31) / 32);
  }
  for (unsigned i = 0; i < n; i++) {
    Lane& l = lanes_[i];
    l.thread = {i % threads.x, i / threads.x % threads.y, i / threads.x / threads.y};
    l.number = i % 32;
    l.block = this;
    l.warp = &warps_[i / 32];
  }
  for (unsigned w = 0; w < warps_.size(); w++) {
    unsigned lanes = n - w * 32;
    warps_[w].all = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    warps_[w].lanes = &lanes_[w * 32];
  }
  variables_.clear();
  static_bytes_ = 0;
  fence_off(arena_, ARENA);
  open_up(arena_, g.dynamic_shared);
  arena_used_ = (g.dynamic_shared + 127) / 128 * 128 + RED;
}

// order places the warps for a block and says in which order the lanes of each run.
void Block::order(uint64_t number) {
  Order o = options().warps;
  unsigned n = warps_.size();
  shuffled_ = o == Order::random;
  for (unsigned w = 0; w < n; w++) {
    unsigned place = o == Order::reverse ? n - 1 - w : w;
    places_[place] = &warps_[w];
    warps_[w].backward = o == Order::reverse;
  }
  if (shuffled_) {
    random_.seed((uint32_t)((launch->seed * 1000003 + number * 7919) % 2147483647 + 1));
    for (unsigned w = n; w > 1; w--) std::swap(places_[w - 1], places_[random_() % w]);
    for (Warp& w : warps_) w.backward = random_() & 1;
  }
  for (unsigned p = 0; p < n; p++) places_[p]->place = p;
}

bool Block::run(Index block, uint64_t number) {
  index = block;
  order(number);
  for (Warp& w : warps_) {
    w.live = w.ready = w.all;
    w.arrived = 0;
  }
  ready_places_ = all_places();
  current_ = nullptr;
  live_ = lanes_.size();
  arrived_ = 0;
  for (Lane& l : lanes_) {
    l.fiber = nullptr;
    l.group = 0;
  }
  blocks_run_++;
  memset(arena_, POISON, launch->dynamic_shared);
  fault.code = 0;
  starting_ = current = next();
  running_ = idle_fiber();
  main_.switch_to(*running_);
  current = nullptr;
  if (!fault.code) return true;
  used_ = 0;  // the fibers stand somewhere in abandoned lanes: they are prepared anew
  idle_.clear();
  for (Lane& l : lanes_) l.copies.clear();
  return false;
}

// idle_fiber returns a fiber that will run starting_.
Fiber* Block::idle_fiber() {
  if (!idle_.empty()) {
    Fiber* f = idle_.back();
    idle_.pop_back();
    return f;
  }
  if (used_ == fibers_.size()) {
    fibers_.push_back(std::make_unique<Fiber>());
    fibers_.back()->map(used_);
  }
  Fiber* f = fibers_[used_++].get();
  f->prepare(carrier);
  return f;
}

// carrier runs lanes that have no stack yet, each until it ends. It lies idle while lanes
// go on that have a stack of their own.
void Block::carrier() {
  Fiber::entered();
  Block* b = current->block;
  for (;;) {
    Lane* l = b->starting_;
    l->fiber = b->running_;
    b->launch->kernel(b->launch->args);
    b->ended(l);
  }
}

// ended goes on after a lane has ended; it returns when the carrier has another one to
// start.
void Block::ended(Lane* l) {
  l->copies.clear();
  l->warp->live &= ~(1u << l->number);
  live_--;
  Lane* n = next();
  if (n && !n->fiber) {
    starting_ = current = n;
    return;
  }
  if (!n && live_) stuck();
  Fiber* self = running_;
  idle_.push_back(self);
  current = n;
  running_ = n ? n->fiber : nullptr;
  self->switch_to(n ? *n->fiber : main_);
}

// suspend lets others run until the lane, which is not ready, has become ready and is
// chosen.
void Block::suspend(Lane* l) {
  Lane* n = next();
  if (n == l) return;
  if (!n) stuck();
  current = n;
  if (n->fiber) {
    running_ = n->fiber;
  } else {
    starting_ = n;
    running_ = idle_fiber();
  }
  l->fiber->switch_to(*running_);
}

// next chooses the lane to go on with, or returns null if none can. A warp keeps its turn
// while it has lanes that can run.
Lane* Block::next() {
  Warp* w = current_;
  if (!w || !w->ready) {
    if (!ready_places_) return nullptr;
    unsigned place = lowest(ready_places_);
    if (shuffled_)
      for (unsigned skip = random_() % __builtin_popcount(ready_places_), left = ready_places_; skip; skip--) {
        left &= left - 1;
        place = lowest(left);
      }
    w = current_ = places_[place];
  }
  unsigned n = w->backward ? highest(w->ready) : lowest(w->ready);
  w->ready &= ~(1u << n);
  if (!w->ready) ready_places_ &= ~(1u << w->place);
  return &w->lanes[n];
}

void Block::barrier(const char* file, int line) {
  Lane* l = current;
  unsigned n = lanes_.size();
  if (live_ < n) fail(LAUNCH_FAILED, "__syncthreads at %s:%d, which %u of %u threads can never reach: they have ended", file, line, n - live_, n);
  if (!arrived_) {
    barrier_file_ = file;
    barrier_line_ = line;
  } else if (barrier_line_ != line || (barrier_file_ != file && strcmp(barrier_file_, file))) {
    fail(LAUNCH_FAILED, "divergent __syncthreads: at %s:%d, while %u threads wait at %s:%d", file, line, arrived_, barrier_file_, barrier_line_);
  }
  l->file = file;
  l->line = line;
  l->operation = nullptr;
  if (++arrived_ == n) {
    arrived_ = 0;
    for (Warp& w : warps_) w.ready = w.all;
    ready_places_ = all_places();
    current_ = nullptr;
  }
  suspend(l);
}

void Block::collective(const char* operation, uint32_t mask, const void* in, void* out, int immediate, void (*all)(Warp*, uint32_t), const char* file, int line) {
  Lane* l = current;
  Warp* w = l->warp;
  uint32_t own = 1u << l->number;
  if (!(mask & own)) fail(LAUNCH_FAILED, "%s at %s:%d: the mask %08x leaves out the calling lane %u", operation, file, line, mask, l->number);
  if (mask & ~w->live) fail(LAUNCH_FAILED, "%s at %s:%d: the mask %08x names lanes that have ended or do not exist: %08x", operation, file, line, mask, mask & ~w->live);
  l->operation = operation;
  l->mask = mask;
  l->in = in;
  l->out = out;
  l->immediate = immediate;
  l->file = file;
  l->line = line;
  w->arrived |= own;
  if ((w->arrived & mask) != mask) {
    suspend(l);
    return;
  }
  for (uint32_t left = mask; left; left &= left - 1) {
    const Lane& o = w->lanes[lowest(left)];
    if (o.mask != mask || o.immediate != immediate || (o.operation != operation && strcmp(o.operation, operation)))
      fail(LAUNCH_FAILED, "lanes of a warp meet in different operations: lane %u in %s with mask %08x at %s:%d, lane %u in %s with mask %08x at %s:%d", l->number, operation, mask, file, line, o.number, o.operation, o.mask, o.file, o.line);
  }
  if (all) all(w, mask);
  w->arrived &= ~mask;
  w->ready |= mask & ~own;
  if (w->ready) ready_places_ |= 1u << w->place;
}

// shared_variable returns the block's instance of a __shared__ variable, which site stands
// for. Every block gets it poisoned.
void* Block::shared_variable(const void* site, size_t bytes, size_t alignment) {
  for (Variable& v : variables_)
    if (v.site == site) {
      if (v.filled != blocks_run_) {
        v.filled = blocks_run_;
        memset(arena_ + v.at, POISON, v.bytes);
      }
      return arena_ + v.at;
    }
  size_t at = (arena_used_ + alignment - 1) / alignment * alignment;
  static_bytes_ = (static_bytes_ + alignment - 1) / alignment * alignment + bytes;
  if (static_bytes_ + launch->dynamic_shared > launch->shared_limit || at + bytes + RED > ARENA)
    fail(INVALID_VALUE, "%zu bytes of __shared__ variables and %u of dynamic shared memory, a block may use %u", static_bytes_, launch->dynamic_shared, launch->shared_limit);
  variables_.push_back({site, at, bytes, blocks_run_});
  arena_used_ = at + bytes + RED;
  open_up(arena_ + at, bytes);
  memset(arena_ + at, POISON, bytes);
  return arena_ + at;
}

void Block::fail(int code, const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  char where[160];
  const Index& t = current->thread;
  snprintf(where, sizeof where, " (block %u,%u,%u thread %u,%u,%u)", index.x, index.y, index.z, t.x, t.y, t.z);
  fault = {code, std::string(text) + where};
  give_up();
}

// give_up abandons the block's lanes and goes back to run.
void Block::give_up() {
  Fiber* self = running_;
  running_ = nullptr;
  self->switch_to(main_);
  abort();
}

// stuck reports that the lanes wait for each other.
void Block::stuck() {
  struct Place {
    const Lane* first;
    unsigned lanes;
  };
  std::vector<Place> places;
  for (const Warp& w : warps_)
    for (uint32_t left = w.live; left; left &= left - 1) {
      const Lane& l = w.lanes[lowest(left)];
      bool known = false;
      for (Place& p : places)
        if (p.first->line == l.line && p.first->operation == l.operation && p.first->file == l.file) {
          p.lanes++;
          known = true;
          break;
        }
      if (!known) places.push_back({&l, 1});
    }
  std::string text = "threads wait for each other:";
  for (const Place& p : places) {
    char line[256];
    const Index& t = p.first->thread;
    snprintf(line, sizeof line, " %u (first %u,%u,%u) in %s at %s:%d;", p.lanes, t.x, t.y, t.z, p.first->operation ? p.first->operation : "__syncthreads", p.first->file, p.first->line);
    text += line;
  }
  char line[96];
  snprintf(line, sizeof line, " %u have ended (block %u,%u,%u)", (unsigned)lanes_.size() - live_, index.x, index.y, index.z);
  fault = {LAUNCH_FAILED, text + line};
  give_up();
}

}  // namespace cuemu
