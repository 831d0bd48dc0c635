// cp.async: a copy lands when its group is waited for (late) or at once (early), as the
// environment says. On a GPU it lands at any time between; kernels have to be right in both.
// Before sm_80 a copy is an ordinary load and store, so it lands at once.
#include <cstring>

#include "options.h"
#include "result.h"
#include "shared_memory.h"

namespace cuemu {

void check_aligned(const void* p, int bytes, const char* operation) {
  if ((uintptr_t)p % bytes) current->block->fail(MISALIGNED_ADDRESS, "%s: address %p is no multiple of %d", operation, p, bytes);
}

void copy_async(saddr to, const void* from, int bytes, bool ok) {
  Lane* l = current;
  Copy c;
  c.to = shared(to);
  c.bytes = bytes;
  c.group = l->group;
  check_aligned(c.to, bytes, "cp.async to shared memory");
  if (ok) {
    check_aligned(from, bytes, "cp.async from global memory");
    memcpy(c.data, from, bytes);
  } else {
    memset(c.data, 0, bytes);
  }
  if (!options().late_copies || l->block->launch->arch < 80) {
    memcpy(c.to, c.data, bytes);
    return;
  }
  volatile unsigned char* first = c.to;  // so that a copy to nowhere is found here
  (void)first[0], (void)first[bytes - 1];
  l->copies.push_back(c);
}

void copy_commit() { current->group++; }

void copy_wait(int pending) {
  Lane* l = current;
  size_t done = 0;
  for (; done < l->copies.size() && l->copies[done].group < l->group - pending; done++) {
    const Copy& c = l->copies[done];
    memcpy(c.to, c.data, c.bytes);
  }
  l->copies.erase(l->copies.begin(), l->copies.begin() + done);
}

}  // namespace cuemu
