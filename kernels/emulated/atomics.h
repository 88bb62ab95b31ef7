// Atomic operations on global or shared memory; blocks run on several host threads.
#pragma once

#include <atomic>

namespace fovea::emulated {

// NOLINTBEGIN: CUDA's names
template <class T>
T atomicAdd(T* address, T value) {
  return std::atomic_ref<T>(*address).fetch_add(value, std::memory_order_relaxed);
}
template <class T>
T atomicExch(T* address, T value) {
  return std::atomic_ref<T>(*address).exchange(value, std::memory_order_relaxed);
}
template <class T>
T atomicCAS(T* address, T compare, T value) {
  std::atomic_ref<T>(*address).compare_exchange_strong(compare, value, std::memory_order_relaxed);
  return compare;
}
template <class T>
T atomicMax(T* address, T value) {
  T old = *address;
  while (old < value) {
    const T seen = atomicCAS(address, old, value);
    if (seen == old) break;
    old = seen;
  }
  return old;
}
// NOLINTEND

}  // namespace fovea::emulated
