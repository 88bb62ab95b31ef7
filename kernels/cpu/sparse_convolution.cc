#include "kernels/cpu/sparse_convolution.h"

#include <algorithm>

#include "engine/core/buffer.h"

namespace fovea::cpu {

bool SparseConvolution::takes(const ConvolutionParams& params, const OpTensor& x,
                              const OpTensor& top) {
  if (!is_blocked(top.layout)) return false;
  if (x.layout == Layout::kPlain) return params.groups == 1 && x.shape.c() <= kFewChannels;
  const std::int64_t lanes = channel_block(top.layout);
  return x.layout == top.layout && x.shape.c() / params.groups % lanes == 0 &&
         (params.groups == 1 || params.outputs / params.groups % lanes == 0);
}

std::unique_ptr<SparseLinear> make_sparse_convolution(const ConvolutionParams& params,
                                                      const OpTensor& x, const OpTensor& top) {
  if (!SparseConvolution::takes(params, x, top)) return nullptr;
  return std::make_unique<SparseConvolution>(params, x, top);
}

SparseConvolution::SparseConvolution(const ConvolutionParams& params, const OpTensor& x,
                                     const OpTensor& top)
    : params_(params),
      lanes_(channel_block(top.layout)),
      x_(x.shape),
      top_(top.shape),
      pixels_(x.layout == Layout::kPlain),
      group_channels_(x.shape.c() / params.groups),
      blocks_((top.shape.c() + lanes_ - 1) / lanes_),
      group_blocks_(blocks_ / params.groups),
      run_((params.kernel[1] * group_channels_ + lanes_ - 1) / lanes_ * lanes_),
      padded_h_(x.shape.h() + 2 * params.pad[0]),
      padded_row_((x.shape.w() + 2 * params.pad[1]) * group_channels_) {
  expects(takes(params, x, top), "a convolution that it takes");
}

void SparseConvolution::pack(std::span<const float> plain, float* packed) const {
  const std::int64_t rows = params_.kernel[0], columns = params_.kernel[1];
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < params_.outputs; ++k) {
    const float* from = plain.data() + k * group_channels_ * rows * columns;
    float* to = packed + k / lanes_ * block_weights() + k % lanes_ * run_;
    for (std::int64_t r = 0; r < rows; ++r) std::fill_n(to + r * lanes_ * run_, run_, 0.0F);
    for (std::int64_t c = 0; c < group_channels_; ++c) {
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t s = 0; s < columns; ++s)
          to[r * lanes_ * run_ + s * group_channels_ + c] = *from++;
      }
    }
  }
}

std::int64_t SparseConvolution::group_size() const {
  return padded_h_ * padded_row_ + run_ - params_.kernel[1] * group_channels_;
}
std::int64_t SparseConvolution::padded_size() const {
  const std::int64_t line = kAlignment / sizeof(float);
  return (x_.n() * params_.groups * group_size() + line - 1) / line * line;
}
std::size_t SparseConvolution::mark_bytes() const {
  return aligned(static_cast<std::size_t>(top_.n() * blocks_ * positions()) * sizeof *marks_);
}
std::size_t SparseConvolution::scratch_bytes() const {
  return mark_bytes() + (pixels_ ? 3 : 1) * static_cast<std::size_t>(padded_size()) * sizeof(float);
}

void SparseConvolution::bind(std::byte* scratch) {
  marks_ = reinterpret_cast<std::uint16_t*>(scratch);
  padded_ = reinterpret_cast<float*>(scratch + mark_bytes());
  arrived_ = padded_ + padded_size();
}

void SparseConvolution::mark(const OpTensor& r) {
#pragma omp parallel for schedule(static)
  for (std::int64_t block = 0; block < top_.n() * blocks_; ++block) {
    const float* values = r.data + block * positions() * lanes_;
    for (std::int64_t at = 0; at < positions(); ++at, values += lanes_) {
      unsigned bits = 0;
      for (std::int64_t lane = 0; lane < lanes_; ++lane)
        bits |= static_cast<unsigned>(values[lane] != 0) << lane;
      marks_[block * positions() + at] = static_cast<std::uint16_t>(bits);
    }
  }
}

void SparseConvolution::take_input(const OpTensor& x) {
  const std::int64_t lanes = pixels_ ? 1 : lanes_, group_blocks = group_channels_ / lanes,
                     pad = params_.pad[1] * group_channels_;
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < x_.n() * params_.groups * padded_h_; ++task) {
    const std::int64_t h = task % padded_h_ - params_.pad[0], group = task / padded_h_;
    float* to = padded_ + group * group_size() + (h + params_.pad[0]) * padded_row_;
    if (h == x_.h() + params_.pad[0] - 1)
      std::fill(to + padded_row_, padded_ + (group + 1) * group_size(), 0.0F);
    if (h < 0 || h >= x_.h()) {
      std::fill_n(to, padded_row_, 0.0F);
      continue;
    }
    to = std::fill_n(to, pad, 0.0F);
    std::fill_n(to + x_.w() * group_channels_, pad, 0.0F);
    for (std::int64_t block = 0; block < group_blocks; ++block) {
      const float* from = x.data + ((group * group_blocks + block) * x_.h() + h) * x_.w() * lanes;
      for (std::int64_t w = 0; w < x_.w(); ++w)
        std::copy_n(from + w * lanes, lanes, to + w * group_channels_ + block * lanes);
    }
  }
}

}  // namespace fovea::cpu
