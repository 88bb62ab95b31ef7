// Dropout in training: y_i = x_i m_i / (1 - ratio), m_i = 1 where random_uniform(key, i) >= ratio.
//
//   i: the logical (N,C,H,W) row-major index, so that masks equal those of every other device; of a
//   batch shared by several ranks it counts from the shared batch's first image on
//   key: {seed, kDropout, iteration * 4096 + layer}; the iteration lies in device memory
//   backward applies the same mask to dy: it is drawn again, not stored
//   thread: in plain layout the values of one Philox block, four at most; in N H W C one value
//   bytes per value: 8 in each direction
//   Srivastava et al. 2014; Caffe dropout_layer.cu (scaling at training time)
#include "engine/core/random.h"
#include "kernels/cuda/device_op.cuh"
#include "kernels/ops/batch_share.h"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

struct Mask {
  std::uint64_t seed, layer;
  float ratio, keep;
  std::uint64_t first;  // index of our first value
};

__device__ __forceinline__ RandomKey key_of(const Mask& mask, const StepCounters* counters) {
  return {mask.seed, RandomPurpose::kDropout, counters->iteration * 4096 + mask.layer};
}
__device__ __forceinline__ float factor(const Mask& mask, std::uint32_t word) {
  return to_uniform(word) >= mask.ratio ? mask.keep : 0.0F;
}

// Our first value may stand anywhere in its Philox block.
__global__ void dropout_plain(int count, Mask mask, const StepCounters* counters, const float* x,
                              float* y) {
  const int block = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int at = block * 4 - static_cast<int>(mask.first % 4);
  if (at >= count) return;
  const auto words =
      random_words(key_of(mask, counters), mask.first / 4 + static_cast<std::uint64_t>(block));
  for (int i = at < 0 ? -at : 0; i < 4 && at + i < count; ++i)
    y[at + i] = x[at + i] * factor(mask, words[i]);
}

// Places in memory are (n, position, c), logical indices (n, c, position).
__global__ void dropout_channels_last(int count, Divisor image, Divisor channels, Mask mask,
                                      const StepCounters* counters, const float* x, float* y) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  const Quotient n = image.divide(at), position = channels.divide(n.remainder);
  const int positions = image.value() / channels.value();
  const int index = n.quotient * image.value() + position.remainder * positions + position.quotient;
  y[at] = x[at] * factor(mask, random_word(key_of(mask, counters),
                                           mask.first + static_cast<std::uint64_t>(index)));
}

class DropoutOp final : public DeviceOp, public SharesBatch {
 public:
  explicit DropoutOp(const OpProblem& problem) : DeviceOp(problem), training_(problem.training) {
    const float ratio = std::get<DropoutParams>(problem.params).ratio;
    mask_ = {problem.seed, problem.layer, ratio, 1.0F / (1.0F - ratio), 0};
  }
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  [[nodiscard]] bool in_place() const override { return true; }
  [[nodiscard]] bool is_alias() const override { return !training_; }

  void forward(std::uint64_t) override {
    if (training_) apply(binding_.bottoms[0], binding_.tops[0].data);
  }
  void backward(std::uint64_t) override {
    if (binding_.bottom_grads[0].data) apply(binding_.top_grads[0], binding_.bottom_grads[0].data);
  }

 private:
  void apply(const OpTensor& from, float* to) const {
    expects(binding_.counters != nullptr, "counters for dropout");
    const Shape& s = from.shape;
    const int count = index32(s.count());
    Mask mask = mask_;
    mask.first = static_cast<std::uint64_t>(share_.first_image * s.count_from(1));
    if (s.rank() == 4 && s.h() * s.w() > 1) {
      launch<dropout_channels_last>(blocks_for(count, kThreads), kThreads, 0, stream_, count,
                                    Divisor(s.count_from(1)), Divisor(s.c()), mask,
                                    binding_.counters, from.data, to);
    } else {
      launch<dropout_plain>(blocks_for(count + 3, 4 * kThreads), kThreads, 0, stream_, count, mask,
                            binding_.counters, from.data, to);
    }
  }

  bool training_;
  Mask mask_{};
};

}  // namespace

extern const Implementation kDropout{FOVEA_TARGET_NAME ":dropout", supports_type<DropoutParams>,
                                     create_op_of<DropoutOp>};

}  // namespace fovea::FOVEA_TARGET
