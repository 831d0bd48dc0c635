// Reads the CLEAVE_EMU_ variables.
#include "options.h"

#include <cerrno>
#include <cstdlib>
#include <thread>

namespace cuemu {

namespace {

const char* const PREFIX = "CLEAVE_EMU_";

// number reads a whole number from low to high.
template <class T>
void number(Options& o, const char* name, T& value, uint64_t low, uint64_t high) {
  const char* text = getenv((PREFIX + std::string(name)).c_str());
  if (!text || !*text) return;
  char* end;
  errno = 0;
  uint64_t v = strtoull(text, &end, 10);
  if (errno || *end || *text == '-' || v < low || v > high)
    o.error = std::string(PREFIX) + name + "=" + text + ": want a number from " + std::to_string(low) + " to " + std::to_string(high);
  else
    value = (T)v;
}

// choice reads one of some words; for the last one, a seed may follow a colon.
int choice(Options& o, const char* name, std::initializer_list<const char*> words, uint64_t* seed) {
  const char* text = getenv((PREFIX + std::string(name)).c_str());
  if (!text || !*text) return 0;
  std::string word = text, want;
  size_t colon = word.find(':');
  int i = 0, n = (int)words.size();
  for (const char* w : words) {
    if (word == w) return i;
    if (seed && i == n - 1 && colon != std::string::npos && word.substr(0, colon) == w) {
      char* end;
      *seed = strtoull(text + colon + 1, &end, 10);
      if (!*end && colon + 1 < word.size()) return i;
    }
    want += (i ? ", " : "") + std::string(w);
    i++;
  }
  o.error = std::string(PREFIX) + name + "=" + text + ": want one of " + want + (seed ? ", random:SEED" : "");
  return 0;
}

// failures reads KIND:NUMBER.
void failures(Options& o) {
  const char* text = getenv("CLEAVE_EMU_FAIL");
  if (!text || !*text) return;
  std::string word = text;
  size_t colon = word.find(':');
  std::string kind = word.substr(0, colon);
  long* at = kind == "alloc" ? &o.failures.alloc : kind == "launch" ? &o.failures.launch : kind == "address" ? &o.failures.address : kind == "lost" ? &o.failures.lost : nullptr;
  char* end = nullptr;
  long n = colon == std::string::npos ? 0 : strtol(text + colon + 1, &end, 10);
  if (!at || n < 1 || *end)
    o.error = "CLEAVE_EMU_FAIL=" + word + ": want alloc:N, launch:N, address:N or lost:N, N counted from 1";
  else
    *at = n;
}

Options read() {
  Options o;
  number(o, "DEVICES", o.devices, 0, 16);
  number(o, "MEMORY", o.memory, 1 << 20, (uint64_t)1 << 40);
  number(o, "CAPABILITY", o.capability, 30, 129);
  number(o, "DRIVER", o.driver, 9000, 99999);
  unsigned cores = std::thread::hardware_concurrency();
  o.threads = cores ? (int)cores : 1;
  number(o, "THREADS", o.threads, 1, 256);
  o.warps = (Order)choice(o, "WARPS", {"forward", "reverse", "random"}, &o.warp_seed);
  o.late_copies = choice(o, "COPIES", {"late", "early"}, nullptr) == 0;
  o.streams = (Schedule)choice(o, "STREAMS", {"lazy", "eager", "random"}, &o.stream_seed);
  failures(o);
  if (const char* file = getenv("CLEAVE_EMU_LAUNCHED")) o.launched = file;
  return o;
}

}  // namespace

const Options& options() {
  static const Options o = read();
  return o;
}

}  // namespace cuemu
