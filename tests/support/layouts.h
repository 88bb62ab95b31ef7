// Plain tensors into and out of an operation's layout, element by element through storage_index.
#pragma once

#include <vector>

#include "engine/core/tensor.h"
#include "kernels/ops/layout.h"

namespace fovea {

// Calls visit(plain index, index in `layout`) for every element.
template <class Visit>
void for_each_stored(const Shape& shape, Layout layout, Visit&& visit) {
  std::int64_t plain = 0;
  if (shape.rank() < 4) layout = Layout::kPlain;
  for (std::int64_t n = 0; n < shape.n(); ++n) {
    for (std::int64_t c = 0; c < shape.c(); ++c) {
      for (std::int64_t h = 0; h < shape.h(); ++h) {
        for (std::int64_t w = 0; w < shape.w(); ++w) {
          visit(static_cast<std::size_t>(plain++),
                static_cast<std::size_t>(storage_index(shape, layout, n, c, h, w)));
        }
      }
    }
  }
}

// Channel padding is zero.
inline std::vector<float> pack(const Tensor<float>& plain, Layout layout) {
  std::vector<float> stored(static_cast<std::size_t>(storage_count(plain.shape, layout)));
  for_each_stored(plain.shape, layout,
                  [&](std::size_t from, std::size_t to) { stored[to] = plain.values[from]; });
  return stored;
}

inline Tensor<float> unpack(const std::vector<float>& stored, const Shape& shape, Layout layout) {
  Tensor<float> plain(shape);
  for_each_stored(shape, layout,
                  [&](std::size_t to, std::size_t from) { plain.values[to] = stored[from]; });
  return plain;
}

// The floats of `stored` that belong to no element.
inline std::vector<float> padding(std::vector<float> stored, const Shape& shape, Layout layout) {
  std::vector<bool> is_element(stored.size());
  for_each_stored(shape, layout, [&](std::size_t, std::size_t at) { is_element[at] = true; });
  std::vector<float> rest;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (!is_element[i]) rest.push_back(stored[i]);
  }
  return rest;
}

}  // namespace fovea
