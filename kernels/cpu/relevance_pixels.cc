// Backward data of a convolution over few channels, as over pixels: share = weights^T S. oneDNN has
// nothing but its reference for that (4 s for AdienceNet's first layer), since training never asks
// for it.
//
// Behind a max pooling or a ReLU most of S is zero, so every position adds up the taps of its
// nonzero outputs alone, in a row of C R S floats that stays in L1, and the row is then added to
// the image. Rows of positions are taken in bands so high that a band shares pixels with its
// neighbours only; first the even bands in parallel, then the odd ones, so that no two threads
// write to one pixel and the order of additions is fixed.
#include <algorithm>
#include <vector>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/relevance.h"

namespace fovea::cpu {
namespace {

// Adds the row of taps at position (p, q) to the planes of one image.
void add_taps(const ConvolutionParams& params, const Shape& x, std::int64_t p, std::int64_t q,
              const float* taps, float* image) {
  const std::int64_t top = p * params.stride[0] - params.pad[0],
                     left = q * params.stride[1] - params.pad[1];
  const std::int64_t first = std::max<std::int64_t>(0, -left),
                     last = std::min(params.kernel[1], x.w() - left);
  for (std::int64_t c = 0; c < x.c(); ++c) {
    for (std::int64_t r = 0; r < params.kernel[0]; ++r, taps += params.kernel[1]) {
      if (top + r < 0 || top + r >= x.h()) continue;
      float* row = image + (c * x.h() + top + r) * x.w() + left;
      for (std::int64_t s = first; s < last; ++s) row[s] += taps[s];
    }
  }
}

// Adds the weights of the nonzero outputs at one position; true when there are any.
bool collect(const Lanes& dims, const float* s, std::int64_t position, const float* weights,
             std::int64_t width, float* taps) {
  bool any = false;
  for (std::int64_t block = 0; block < dims.blocks; ++block) {
    const float* lanes = s + dims.plane(0, block) + position * dims.lanes;
    for (std::int64_t lane = 0; lane < dims.lanes; ++lane) {
      const float value = lanes[lane];
      if (value == 0) continue;
      const float* row = weights + (block * dims.lanes + lane) * width;
      if (!any) std::fill_n(taps, width, 0.0F);
      any = true;
#pragma omp simd
      for (std::int64_t t = 0; t < width; ++t) taps[t] += value * row[t];
    }
  }
  return any;
}

}  // namespace

std::int64_t pixel_row(const ConvolutionParams& p, std::int64_t channels) {
  return (channels * p.kernel[0] * p.kernel[1] + 15) / 16 * 16;
}

void pixel_shares(const ConvolutionParams& params, const OpTensor& s, const float* weights,
                  const OpTensor& share) {
  const Lanes dims(s);
  const Shape& x = share.shape;
  const std::int64_t rows = s.shape.h(), columns = s.shape.w(), width = pixel_row(params, x.c());
  const std::int64_t height = (params.kernel[0] + params.stride[0] - 1) / params.stride[0],
                     bands = (rows + height - 1) / height;
  std::fill_n(share.data, x.count(), 0.0F);
#pragma omp parallel
  {
    std::vector<float> taps(static_cast<std::size_t>(width));
    for (std::int64_t odd = 0; odd < 2; ++odd) {
      const std::int64_t some = (bands + 1 - odd) / 2;
#pragma omp for schedule(static)
      for (std::int64_t task = 0; task < dims.images * some; ++task) {
        const std::int64_t n = task / some, band = 2 * (task % some) + odd;
        for (std::int64_t p = band * height; p < std::min(rows, (band + 1) * height); ++p) {
          for (std::int64_t q = 0; q < columns; ++q) {
            if (collect(dims, s.data + n * dims.image_size(), p * columns + q, weights, width,
                        taps.data()))
              add_taps(params, x, p, q, taps.data(), share.data + n * x.count_from(1));
          }
        }
      }
    }
  }
}

}  // namespace fovea::cpu
