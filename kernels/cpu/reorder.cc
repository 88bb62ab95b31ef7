// One (image, block of channels) plane per task. Plain <-> blocked is the pair that nets need: a
// strip of positions is transposed lane by lane, reads contiguous per channel, writes contiguous
// per position, all within L1.
#include "kernels/cpu/reorder.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/lanes.h"

namespace fovea {
namespace {

constexpr std::int64_t kStrip =
    128;  // positions per strip: 16 channels of it are 8 KiB, well inside L1

void plain_to_lanes(const Lanes& to, const float* plain, float* lanes, std::int64_t channels) {
  for (std::int64_t first = 0; first < to.positions; first += kStrip) {
    const std::int64_t last = std::min(first + kStrip, to.positions);
    for (std::int64_t c = 0; c < to.lanes; ++c) {
      const float* from = plain + c * to.positions;
      for (std::int64_t i = first; i < last; ++i)
        lanes[i * to.lanes + c] = c < channels ? from[i] : 0.0F;
    }
  }
}

void lanes_to_plain(const Lanes& from, const float* lanes, float* plain, std::int64_t channels) {
  for (std::int64_t first = 0; first < from.positions; first += kStrip) {
    const std::int64_t last = std::min(first + kStrip, from.positions);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t i = first; i < last; ++i)
        plain[c * from.positions + i] = lanes[i * from.lanes + c];
    }
  }
}

void reorder_elements(const OpTensor& from, const OpTensor& to) {
  const Lanes source(from), target(to);
#pragma omp parallel for schedule(static)
  for (std::int64_t plane = 0; plane < target.images * target.blocks; ++plane) {
    const std::int64_t image = plane / target.blocks, block = plane % target.blocks;
    float* out = to.data + target.plane(image, block);
    for (std::int64_t i = 0; i < target.positions; ++i) {
      for (std::int64_t lane = 0; lane < target.lanes; ++lane) {
        const std::int64_t c = block * target.lanes + lane;
        out[i * target.lanes + lane] =
            c < target.channels ? from.data[source.element(image, c, i)] : 0.0F;
      }
    }
  }
}

void copy_images(const OpTensor& from, const OpTensor& to) {
  const auto bytes = static_cast<std::size_t>(to.image_size()) * sizeof(float);
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < to.shape.n(); ++n)
    std::memcpy(to.data + n * to.image_pitch(), from.data + n * from.image_pitch(), bytes);
}

}  // namespace

void reorder(const OpTensor& from, const OpTensor& to) {
  expects(from.shape == to.shape, "reorder keeps the shape");
  if (from.layout == to.layout) return copy_images(from, to);
  const bool spread = from.layout == Layout::kPlain, collect = to.layout == Layout::kPlain;
  if (!spread && !collect) return reorder_elements(from, to);
  const Lanes blocked(spread ? to : from);
  const OpTensor& plain = spread ? from : to;
  const Lanes rows(plain);
#pragma omp parallel for schedule(static)
  for (std::int64_t plane = 0; plane < blocked.images * blocked.blocks; ++plane) {
    const std::int64_t image = plane / blocked.blocks, block = plane % blocked.blocks;
    const std::int64_t channels = std::min(blocked.lanes, blocked.channels - block * blocked.lanes);
    float* row = plain.data + rows.plane(image, block * blocked.lanes);
    if (spread) {
      plain_to_lanes(blocked, row, to.data + blocked.plane(image, block), channels);
    } else {
      lanes_to_plain(blocked, from.data + blocked.plane(image, block), row, channels);
    }
  }
}

}  // namespace fovea
