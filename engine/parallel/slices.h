// How values are divided among ranks, and the order in which they are added.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

namespace fovea {

// The part of `rank` of `size` in `values`.
template <class T>
std::span<T> slice(std::span<T> values, int rank, int size) {
  const auto at = [&](int r) {
    return values.size() * static_cast<std::size_t>(r) / static_cast<std::size_t>(size);
  };
  return values.subspan(at(rank), at(rank + 1) - at(rank));
}

// to[i] = (parts[0][i] + parts[1][i]) + ...; `to` may be one of the parts. Block by block.
template <class T>
void add_in_order(std::span<const T* const> parts, std::span<T> to) {
  constexpr std::size_t kBlock = 1024;
  T sums[kBlock];
  for (std::size_t first = 0; first < to.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, to.size() - first);
    std::copy_n(parts[0] + first, count, sums);
    for (const T* part : parts.subspan(1)) {
      for (std::size_t i = 0; i < count; ++i) sums[i] += part[first + i];
    }
    std::copy_n(sums, count, &to[first]);
  }
}

}  // namespace fovea
