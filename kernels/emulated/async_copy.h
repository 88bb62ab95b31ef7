// cp.async: the copy happens when its group is waited for, not before; until then the destination
// holds poison, so that a wait that is missing or comes too early shows.
#pragma once

#include "kernels/emulated/block.h"

namespace fovea::emulated {

void issue_async_copy(void* shared, const void* global, int bytes, int source_bytes);
void async_copy_wait_groups(int left);

// kBytes (4, 8 or 16) from global to shared memory, of which the first `source_bytes` are read and
// the rest is zero. Both addresses are multiples of kBytes.
template <int kBytes>
void async_copy(void* shared, const void* global, int source_bytes = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  issue_async_copy(shared, global, kBytes, source_bytes);
}
void async_copy_commit();
// Until at most `kLeft` of the latest committed groups are still under way.
template <int kLeft>
void async_copy_wait() {
  async_copy_wait_groups(kLeft);
}
void async_copy_wait_all();

}  // namespace fovea::emulated
