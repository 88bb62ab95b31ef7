// Where the elements of an implicit matrix product go, and what is done to them on the way:
//   final    y = relu(d + bias[column]) at the row's place; rows may be pixels of a class
//            (convolution_geometry.h) in an image whose pixels lie `pitch` apart, so that the
//            channels can be a slice of a wider tensor
//   partial  d as it is, one matrix per share of k, to be added in order by reduce_partials
//   parts    bands of columns go to tensors of their own (kernels/ops/siblings.h)
#pragma once

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/vector.cuh"

namespace fovea::FOVEA_TARGET {

struct GemmOutput {
  float* data;
  std::int32_t rows, columns, pitch;
  // Rows that are pixels (i, j) of a class: at (first + i stride, ...) of a height x width image.
  bool scattered;
  std::int32_t height, width, first[2], stride[2];
  Divisor image, line;
  const float* bias;  // null: none
  bool relu;
  float slope;
  bool vector;  // pieces of four columns are aligned

  __device__ __forceinline__ std::int32_t place(int row) const {
    if (!scattered) return row * pitch;
    const Quotient n = image.divide(row);
    const Quotient at = line.divide(n.remainder);
    const int h = first[0] + at.quotient * stride[0], w = first[1] + at.remainder * stride[1];
    return ((n.quotient * height + h) * width + w) * pitch;
  }
  __device__ __forceinline__ float finish(float d, int column) const {
    const float y = bias ? d + bias[column] : d;
    return relu && y < 0.0F ? y * slope + 0.0F : y;  // not -0; NaN stays
  }
};

constexpr int kMostParts = 8;

// Part i takes columns first[i] .. first[i] + part[i].columns of the product; those behind them up
// to the next part go nowhere.
struct GemmParts {
  float* data;  // of partial sums, of all columns
  std::int32_t rows, columns, count;
  bool vector;  // as above, of the partial sums
  std::int32_t first[kMostParts];
  GemmOutput part[kMostParts];

  // Two or four neighbouring columns of one row; all parts begin at multiples of four.
  template <int kWide>
  __device__ __forceinline__ void write(int row, int column, const float (&d)[kWide]) const {
    int i = 0;
    while (i + 1 < count && column >= first[i + 1]) ++i;
    const GemmOutput& out = part[i];
    const int own = column - first[i];
    float* to = out.data + row * out.pitch + own;
    if (out.vector && own < out.columns) {
      float y[kWide];
#pragma unroll
      for (int e = 0; e < kWide; ++e) y[e] = out.finish(d[e], own + e);
      if constexpr (kWide == 2) {
        *reinterpret_cast<float2*>(to) = make_float2(y[0], y[1]);
      } else {
        store4(to, make_float4(y[0], y[1], y[2], y[3]));
      }
      return;
    }
    for (int e = 0; e < kWide; ++e) {
      if (own + e < out.columns) to[e] = out.finish(d[e], own + e);
    }
  }
};
template <class Output>
constexpr bool kInParts = false;
template <>
inline constexpr bool kInParts<GemmParts> = true;

}  // namespace fovea::FOVEA_TARGET
