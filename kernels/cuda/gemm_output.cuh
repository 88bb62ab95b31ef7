// Where the elements of an implicit matrix product go, and what is done to them on the way:
//   final    y = relu(d + bias[column]) at the row's place; rows may be pixels of a class
//            (convolution_geometry.h) in an image whose pixels lie `pitch` apart, so that the
//            channels can be a slice of a wider tensor
//   partial  d as it is, one matrix per share of k, to be added in order by reduce_partials
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

}  // namespace fovea::FOVEA_TARGET
