// A linear layer of which few outputs matter, and its way back: that of relevance behind a ReLU or
// a max pooling, where half to nine tenths of the outputs have none. A product t = w x of a weight
// and an input counts by its sign:
//
//   sums:   z[j] = b[j] + sum over its inputs i of t_ij, max(t_ij, 0) or min(t_ij, 0), where output
//           j is marked; 0 elsewhere
//   shares: R[i] = sum over the marked outputs that read input i of t_ij S+[j] for t_ij > 0,
//           t_ij S-[j] for t_ij < 0
//
// Weights are kept once, whatever counts. Every number is added up in one order, whatever the
// number of threads and images.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/ops/relevance_kernels.h"

namespace fovea::cpu {

enum class Products : std::uint8_t { kAll, kPositive, kNegative };

class SparseLinear {
 public:
  virtual ~SparseLinear() = default;

  [[nodiscard]] virtual std::int64_t weight_count() const = 0;
  // From Caffe's order.
  virtual void pack(std::span<const float> plain, float* packed) const = 0;
  [[nodiscard]] virtual std::size_t scratch_bytes() const = 0;
  virtual void bind(std::byte* scratch) = 0;

  // The outputs that matter from now on: those where r is not zero. Behind bind().
  virtual void mark(const OpTensor& r) = 0;
  // The input of sums() from now on.
  virtual void take_input(const OpTensor& x) = 0;
  // bias: one per output, or none.
  virtual void sums(Products products, const float* weights, std::span<const float> bias,
                    const OpTensor& z) const = 0;
  // S+ and S- lie as the outputs do, are 0 where nothing is marked, and may be one; S- without
  // data: 0.
  virtual void shares(const float* weights, const OpTensor& s_positive, const OpTensor& s_negative,
                      const OpTensor& x, const OpTensor& r) const = 0;
};

// For an input and an output of these shapes and layouts; null where neither class takes them.
[[nodiscard]] std::unique_ptr<SparseLinear> make_sparse_convolution(const ConvolutionParams& params,
                                                                    const OpTensor& x,
                                                                    const OpTensor& top);
[[nodiscard]] std::unique_ptr<SparseLinear> make_sparse_product(const OpTensor& x,
                                                                const OpTensor& top);

}  // namespace fovea::cpu
