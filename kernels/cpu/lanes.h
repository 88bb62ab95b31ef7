// Any layout seen as [image][block][position][lane]: plain has one lane per block, blocked layouts
// 8 or 16, channels last all of them. Elementwise and per-channel loops are written once for all
// layouts this way.
#pragma once

#include "kernels/ops/op.h"

namespace fovea {

struct Lanes {
  std::int64_t images, blocks, positions, lanes, channels;
  std::int64_t pitch;  // from one image to the next

  explicit Lanes(const OpTensor& t)
      : images(t.shape.n()),
        positions(t.shape.h() * t.shape.w()),
        lanes(t.layout == Layout::kChannelsLast ? t.shape.c() : channel_block(t.layout)),
        channels(t.shape.c()),
        pitch(t.image_pitch()) {
    blocks = (channels + lanes - 1) / lanes;
  }
  [[nodiscard]] std::int64_t image_size() const { return blocks * positions * lanes; }
  // Offset of (image, block, position 0, lane 0).
  [[nodiscard]] std::int64_t plane(std::int64_t image, std::int64_t block) const {
    return image * pitch + block * positions * lanes;
  }
  // Offset of (image, channel, position).
  [[nodiscard]] std::int64_t element(std::int64_t image, std::int64_t channel,
                                     std::int64_t position) const {
    return plane(image, channel / lanes) + position * lanes + channel % lanes;
  }
};

}  // namespace fovea
