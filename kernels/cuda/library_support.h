// What operations of another library (kernels/cudnn) take from a target: its queue, and our kernels
// for what stands around a product; and what sums over ranks take (kernels/nccl): a second queue.
// Without them the library's operations and ours would differ in more than the product.
#pragma once

#include <cstdint>

#include "kernels/cuda/side_queue.h"
#include "kernels/ops/device.h"

namespace fovea {

// The gradient of a linear layer's output in front of the products, as in linear_gradient.cuh:
//   dy (rows, channels) is masked in place by y > 0 (slope where it is not) if there is a y, and
//   summed over the rows to db if there is a db.
struct LinearGradient {
  float* dy = nullptr;
  std::int32_t rows = 0, channels = 0;
  const float* y = nullptr;  // null: no ReLU
  float slope = 0;
  float* db = nullptr;  // null: not wanted
};

struct LibrarySupport {
  int (*current_device)() = nullptr;         // the calling thread's GPU
  void* (*queue)(Device& device) = nullptr;  // cudaStream_t
  // Floats of scratch that mask_and_sum() needs.
  std::int64_t (*gradient_partials)(std::int32_t rows, std::int32_t channels) = nullptr;
  void (*mask_and_sum)(Device& device, const LinearGradient& gradient, float* partials) = nullptr;
  // `count` values, a multiple of 4, to bf16, ties to even.
  void (*round_to_bf16)(Device& device, const float* from, std::uint16_t* to,
                        std::int64_t count) = nullptr;
  // Of a device that must outlive it.
  std::unique_ptr<SideQueue> (*side_queue)(Device& device) = nullptr;
};

}  // namespace fovea
