// Work on streams, and when it is done.
#include "device.h"

#include <ctime>
#include <random>

#include "options.h"

namespace cuemu {

std::recursive_mutex mu;

std::vector<Device>& devices() {
  static std::vector<Device> all = [] {
    std::vector<Device> v(options().devices);
    for (size_t i = 0; i < v.size(); i++) v[i].index = (int)i;
    return v;
  }();
  return all;
}

Device*& context() {
  static thread_local Device* d = nullptr;
  return d;
}

bool Device::covers(uint64_t at, uint64_t bytes) const {
  auto next = memory.upper_bound(at);
  if (next == memory.begin()) return false;
  auto own = std::prev(next);
  return at - own->first <= own->second && bytes <= own->second - (at - own->first);
}

void Device::drain() {
  for (Stream* s : streams) cuemu::drain(s);
}

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void reach(const std::shared_ptr<Ticket>& t) {
  while (t && !t->done && !t->stream->queue.empty()) step(t->stream);
}

void step(Stream* s) {
  Op op = std::move(s->queue.front());
  s->queue.pop_front();
  reach(op.after);
  if (op.run) op.run();
}

void drain(Stream* s) {
  while (!s->queue.empty()) step(s);
}

void enqueue(Stream* s, Op op) {
  s->queue.push_back(std::move(op));
  switch (options().streams) {
    case Schedule::lazy: return;
    case Schedule::eager: return drain(s);
    case Schedule::random: {
      static std::minstd_rand random(options().stream_seed);
      std::vector<Stream*>& all = s->device->streams;
      for (unsigned n = random() % 4; n > 0; n--) {
        Stream* other = all[random() % all.size()];
        if (!other->queue.empty()) step(other);
      }
    }
  }
}

int counted() {
  static long calls;
  const long lost = options().failures.lost;
  if (lost && ++calls >= lost)
    for (Device& d : devices()) d.sticky = UNKNOWN;
  Device* d = context();
  return d ? d->sticky : 0;
}

}  // namespace cuemu
