// c (rows x columns) = a (rows x depth) b (depth x columns), one panel of at most two vectors
// of columns at a time, as the innermost step of a larger operation whose operands lie in cache.
//
// b is kept in panels: two vectors of columns, then the next two, the last alone where their number
// is odd; inside a panel the depth runs slowest. a's rows lie one behind the other.
#pragma once

#include "kernels/cpu/vector.h"

namespace fovea::cpu {

// As many rows as leave all sums of two columns' vectors in registers.
template <std::int64_t kLanes>
constexpr int kProductRows = kLanes == 16 ? 12 : 6;

template <std::int64_t kLanes, int kRows, int kWidth>
void product_block(const float* a, std::int64_t depth, const float* b, float* c,
                   std::int64_t c_row) {
  Vector<kLanes> sums[kRows][kWidth] = {};
  for (std::int64_t d = 0; d < depth; ++d, b += kWidth * kLanes) {
    Vector<kLanes> columns[kWidth];
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) columns[v] = load<kLanes>(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const float factor = a[r * depth + d];
#pragma GCC unroll 2
      for (int v = 0; v < kWidth; ++v) sums[r][v] += factor * columns[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) store(sums[r][v], c + r * c_row + v * kLanes);
  }
}

// One panel, all rows: blocks of kProductRows, then the rest in one block of its own size.
template <std::int64_t kLanes, int kWidth>
void product_panel(const float* a, std::int64_t rows, std::int64_t depth, const float* b, float* c,
                   std::int64_t c_row) {
  constexpr int kRows = kProductRows<kLanes>;
  for (; rows >= kRows; rows -= kRows, a += kRows * depth, c += kRows * c_row) {
    product_block<kLanes, kRows, kWidth>(a, depth, b, c, c_row);
  }
  with_constant<kRows - 1>(
      rows, [&](auto rest) { product_block<kLanes, rest.value, kWidth>(a, depth, b, c, c_row); });
}

// `columns` is a multiple of kLanes; c's columns lie side by side.
template <std::int64_t kLanes>
void product(const float* a, std::int64_t rows, std::int64_t depth, const float* b,
             std::int64_t columns, float* c, std::int64_t c_row) {
  std::int64_t k = 0;
  for (; k + 2 * kLanes <= columns; k += 2 * kLanes) {
    product_panel<kLanes, 2>(a, rows, depth, b + k * depth, c + k, c_row);
  }
  if (k < columns) product_panel<kLanes, 1>(a, rows, depth, b + k * depth, c + k, c_row);
}

}  // namespace fovea::cpu
