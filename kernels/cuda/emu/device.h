// The devices: memory, streams and what has gone wrong.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "result.h"

namespace cuemu {

struct Device;

// Ticket is one record of an event: done once the stream has come to it, at that time.
struct Stream;
struct Ticket {
  Stream* stream;
  bool done = false;
  double seconds = 0;
};

struct Event {
  std::shared_ptr<Ticket> last;  // null: never recorded
};

// Op is work on a stream, done in order. after, if set, must be done before.
struct Op {
  std::function<void()> run;
  std::shared_ptr<Ticket> after;
};

struct Stream {
  Device* device;
  std::deque<Op> queue;
};

struct Device {
  int index;
  int retained = 0;  // of its primary context
  int sticky = 0;    // the error that every call returns from then on
  uint64_t used = 0;
  std::map<uint64_t, uint64_t> memory;  // allocations: address and bytes
  std::vector<Stream*> streams;

  // covers reports whether an allocation holds all of the bytes.
  bool covers(uint64_t at, uint64_t bytes) const;
  // drain does all work of all streams.
  void drain();
};

// The emulator's one lock: held by every call, and while work is done.
extern std::recursive_mutex mu;

std::vector<Device>& devices();

// context is the calling thread's context, null if it has none.
Device*& context();

// enqueue adds work to a stream and does as much as the schedule of CLEAVE_EMU_STREAMS says:
// all, some, or, lazily, nothing before somebody waits for it. Work that is done as late as it
// may be shows what was not waited for.
void enqueue(Stream* s, Op op);

// step does the stream's next work, after what that waits for.
void step(Stream* s);
void drain(Stream* s);
void reach(const std::shared_ptr<Ticket>& t);

double now();

// counted counts a call and returns the error that the environment, or what happened before,
// makes it have: CLEAVE_EMU_FAIL=lost:N.
int counted();

}  // namespace cuemu
