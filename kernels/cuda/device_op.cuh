// What the operations of this folder share on the host's side. Included by .cu files only.
//
// Images lie as N H W C (Layout::kChannelsLast), two-axis tensors plainly. Indices in kernels are
// 32-bit; the launchers guard their range.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/target.cuh"
#include "kernels/cuda/device/vector.cuh"
#include "kernels/ops/op.h"

namespace fovea::FOVEA_TARGET {

// The queue of a device of this target.
[[nodiscard]] Stream stream_of(Device& device);

// `value` as a 32-bit index or extent.
inline std::int32_t index32(std::int64_t value) {
  require(value >= 0 && value <= std::numeric_limits<std::int32_t>::max(), "a tensor of ", value,
          " values, expected fewer than 2^31");
  return static_cast<std::int32_t>(value);
}

// Blocks of `per_block` that cover `count`; at least one.
inline dim3 blocks_for(std::int64_t count, std::int64_t per_block) {
  return dim3(static_cast<unsigned>(index32(count == 0 ? 1 : (count + per_block - 1) / per_block)));
}

inline Layout device_layout(const Shape& shape) {
  return shape.rank() == 4 ? Layout::kChannelsLast : Layout::kPlain;
}
// Elements from pixel to pixel of an NHWC tensor, which may be a slice of a wider one.
inline std::int32_t pixel_pitch(const OpTensor& t) {
  return index32(t.image_pitch() / (t.shape.h() * t.shape.w()));
}
inline std::int64_t floats(const OpTensor& t) { return storage_count(t.shape, t.layout); }

// Bottoms and tops channels-last where they are images.
class DeviceOp : public Op {
 public:
  explicit DeviceOp(const OpProblem& problem) {
    for (const Shape& shape : problem.bottoms) bottom_layouts_.push_back(device_layout(shape));
    for (const Shape& shape : problem.tops) top_layouts_.push_back(device_layout(shape));
  }
  [[nodiscard]] Layout bottom_layout(std::size_t i) const override { return bottom_layouts_.at(i); }
  [[nodiscard]] Layout top_layout(std::size_t i) const override { return top_layouts_.at(i); }

  void bind(const OpBinding& binding) override {
    expects(binding.device != nullptr, "a binding that names its device");
    Op::bind(binding);
    stream_ = stream_of(*binding.device);
  }

 protected:
  Stream stream_;

 private:
  std::vector<Layout> bottom_layouts_, top_layouts_;
};

template <class T>
std::unique_ptr<Op> create_op_of(const OpProblem& problem) {
  return std::make_unique<T>(problem);
}
template <class Params>
std::string supports_type(const OpProblem& problem) {
  return std::holds_alternative<Params>(problem.params) ? "" : "another operation";
}

}  // namespace fovea::FOVEA_TARGET
