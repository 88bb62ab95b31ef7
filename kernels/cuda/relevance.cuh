// The relevance kernels of a device (kernels/ops/relevance_kernels.h), by concern. Images lie
// channels-last or plainly; a pointer lies in the device's memory.
#pragma once

#include "kernels/cuda/device_op.cuh"
#include "kernels/ops/relevance_kernels.h"

namespace fovea::FOVEA_TARGET {

// Where elements of a tensor lie, in floats.
struct Strides {
  std::int64_t image;
  int channel, row, column;
};
inline Strides strides_of(const OpTensor& t) {
  const Shape& s = t.shape;
  if (t.layout == Layout::kChannelsLast)
    return {s.count_from(1), 1, index32(s.w() * s.c()), index32(s.c())};
  expects(t.layout == Layout::kPlain, "a layout that the device knows");
  return {s.n() == 0 ? 0 : s.count() / s.n(), index32(s.h() * s.w()), index32(s.w()), 1};
}

// Values of one image that one block sums up, so that sums do not depend on the device.
inline constexpr int kSumThreads = 256, kSumChunk = 16 * kSumThreads;
inline int sum_chunks(std::int64_t values) {
  return index32(values == 0 ? 1 : (values + kSumChunk - 1) / kSumChunk);
}

// Memory for partial sums, kept from call to call.
class PartialMemory {
 public:
  explicit PartialMemory(Device& device) : device_(device) {}
  template <class T>
  T* take(std::size_t count) {
    if (memory_.bytes() < count * sizeof(T))
      memory_ = DeviceBuffer<std::byte>(device_, count * sizeof(T));
    return reinterpret_cast<T*>(memory_.data());
  }
  template <class T>
  std::vector<T> fetch(const T* from, std::size_t count) const {
    std::vector<T> values(count);
    device_.download(values.data(), from, count * sizeof(T));
    return values;
  }

 private:
  Device& device_;
  DeviceBuffer<std::byte> memory_;
};

// relevance_divide.cu; `absorbed` is added to
void divide(Stream stream, PartialMemory& memory, const RelevanceRule& rule,
            std::span<const QuotientGroup> groups, const OpTensor& r,
            std::span<AbsorbedSums> absorbed);
void complete_sums(Stream stream, const OpTensor& y, const OpTensor& negative,
                   std::span<const QuotientGroup> groups);
std::int64_t weakest_unit(const PartialMemory& memory, const QuotientGroup& group,
                          const OpTensor& r, std::int64_t n);

// relevance_elementwise.cu
void apply_map(Stream stream, InputMap map, const OpTensor& x, const OpTensor& y);
void accumulate_product(Stream stream, InputMap map, float factor, const OpTensor& x,
                        const OpTensor& c, const OpTensor& r, bool overwrite);
void add(Stream stream, float factor, const OpTensor& s, const OpTensor& r);
void add_to_images(Stream stream, const float* values, const OpTensor& z);
void relevance_relu(Stream stream, ReluRule rule, const OpTensor& x, const OpTensor& r);

// relevance_sums.cu
void note_unserved(Stream stream, const OpTensor& y, const OpTensor& r, int* unserved);
void sum_per_image(Stream stream, PartialMemory& memory, const OpTensor& r,
                   std::span<ImageSums> sums);
void take_arrived(Stream stream, PartialMemory& memory, const OpTensor& r,
                  std::span<AbsorbedSums> absorbed);

// relevance_channels.cu
void take_channels(Stream stream, const OpTensor& from, std::int64_t first, const OpTensor& to);
// keep: a byte per channel
void keep_channels(Stream stream, const std::uint8_t* keep, const OpTensor& r);

// relevance_pooling.cu, relevance_lrn.cu, relevance_distributed.cu
void relevance_average_pooling(Stream stream, const PoolingParams& params, AveragePoolingRule rule,
                               const OpTensor& x, const OpTensor& r_top, const OpTensor& r_bottom);
void relevance_lrn(Stream stream, const LrnParams& params, LrnRule rule, const OpTensor& x,
                   const OpTensor& r_top, const OpTensor& r_bottom);
void relevance_distributed(Stream stream, PartialMemory& memory, const ConvolutionParams& params,
                           const DistributedRule& rule, const OpTensor& x, const float* w,
                           const float* b, const OpTensor& r_top, const OpTensor& r_bottom,
                           std::span<AbsorbedSums> absorbed);

}  // namespace fovea::FOVEA_TARGET
