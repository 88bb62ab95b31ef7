// Physical layouts of a 4-axis activation; two-axis tensors are always plain.
//   plain:       [n][c][h][w]
//   channels last: [n][h][w][c]
//   blocked B:   [n][c / B][h][w][c % B], channels padded with zeros to a multiple of B (oneDNN
//   nChwBc)
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/core/shape.h"

namespace fovea {

enum class Layout : std::uint8_t { kPlain, kChannelsLast, kBlocked8, kBlocked16 };

constexpr std::int64_t channel_block(Layout layout) {
  return layout == Layout::kBlocked16 ? 16 : layout == Layout::kBlocked8 ? 8 : 1;
}
constexpr bool is_blocked(Layout layout) { return channel_block(layout) > 1; }

constexpr std::int64_t padded_channels(const Shape& shape, Layout layout) {
  const std::int64_t block = channel_block(layout);
  return (shape.c() + block - 1) / block * block;
}

// Floats that a tensor occupies.
constexpr std::int64_t storage_count(const Shape& shape, Layout layout) {
  return is_blocked(layout) ? shape.n() * padded_channels(shape, layout) * shape.h() * shape.w()
                            : shape.count();
}

constexpr std::int64_t storage_index(const Shape& s, Layout layout, std::int64_t n, std::int64_t c,
                                     std::int64_t h, std::int64_t w) {
  switch (layout) {
    case Layout::kPlain:
      return ((n * s.c() + c) * s.h() + h) * s.w() + w;
    case Layout::kChannelsLast:
      return ((n * s.h() + h) * s.w() + w) * s.c() + c;
    default:
      break;
  }
  const std::int64_t block = channel_block(layout);
  const std::int64_t blocks = padded_channels(s, layout) / block;
  return (((n * blocks + c / block) * s.h() + h) * s.w() + w) * block + c % block;
}

constexpr std::string_view layout_name(Layout layout) {
  switch (layout) {
    case Layout::kPlain:
      return "nchw";
    case Layout::kChannelsLast:
      return "nhwc";
    case Layout::kBlocked8:
      return "nChw8c";
    case Layout::kBlocked16:
      return "nChw16c";
  }
  return "?";
}

}  // namespace fovea
