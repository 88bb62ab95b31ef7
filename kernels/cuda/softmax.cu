// Softmax, softmax with loss, accuracy (kernels/ops/simple.h): one row of C scores per image and
// pixel.
//
//   x, y (rows, C), labels (rows), rows = N H W; channels are contiguous
//   thread: lane of the warp that owns a row, every 32nd channel of it; 4 warps to a block
//   loss and accuracy: one value per row into scratch, then one block sums them in a fixed order
//   bytes per score: softmax forward 8 (x is read three times, twice from L1), backward 12;
//   loss forward 4, backward 8: it computes the probabilities again
//   What a label asks for (weights, smoothed and ordinal targets) is an argument of the kernels and
//   computed per score: up to kMaxClassWeights weights travel with the launch.
//   A label that is no class gives NaN: a kernel cannot stop the run, and a loss of NaN will.
//   Caffe softmax_layer.cu, softmax_loss_layer.cu, accuracy_layer.cpp
#include <algorithm>
#include <cfloat>

#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device_op.cuh"
#include "kernels/ops/batch_share.h"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps, kSumThreads = 256;

__device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
__device__ __forceinline__ int row_of_warp() {
  return static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / 32;
}

struct Normaliser {
  float largest, sum;  // of the scores; of exp(score - largest)
};
__device__ __forceinline__ Normaliser normaliser(int channels, const float* x) {
  float largest = -INFINITY, sum = 0;
  for (int c = lane(); c < channels; c += 32) largest = fmaxf(largest, x[c]);
  largest = warp_max(largest);
  for (int c = lane(); c < channels; c += 32) sum += expf(x[c] - largest);
  return {largest, warp_sum(sum)};
}

__global__ void softmax_forward(int rows, int channels, const float* x, float* y) {
  const int row = row_of_warp();
  if (row >= rows) return;
  const std::int64_t first = static_cast<std::int64_t>(row) * channels;
  const Normaliser n = normaliser(channels, x + first);
  for (int c = lane(); c < channels; c += 32) y[first + c] = expf(x[first + c] - n.largest) / n.sum;
}

// dx = y (dy - sum_c y dy)
__global__ void softmax_backward(int rows, int channels, const float* y, const float* dy,
                                 float* dx) {
  const int row = row_of_warp();
  if (row >= rows) return;
  const std::int64_t first = static_cast<std::int64_t>(row) * channels;
  float dot = 0;
  for (int c = lane(); c < channels; c += 32) dot += y[first + c] * dy[first + c];
  dot = warp_sum(dot);
  for (int c = lane(); c < channels; c += 32) dx[first + c] = y[first + c] * (dy[first + c] - dot);
}

// Ignored labels; -1 stands for one, -2 for a label that is no class.
struct Labels {
  bool has_ignored;
  int ignored, channels;
  const float* data;
};
__device__ __forceinline__ int label_of(const Labels& labels, int row) {
  const int label = static_cast<int>(rintf(labels.data[row]));
  if (labels.has_ignored && label == labels.ignored) return -1;
  return label >= 0 && label < labels.channels ? label : -2;
}

constexpr int kMaxClassWeights = 64;

// SoftmaxLossParams as the kernels take them.
struct Targets {
  float smoothing, sharpness;  // sharpness: 1 / (2 sigma^2); 0 = the label alone
  bool weighted;
  float weights[kMaxClassWeights];
};
// w[label], 0 where the label does not count.
__device__ __forceinline__ float weight_of(const Targets& t, int label) {
  return label == -1 ? 0.0F : t.weighted && label >= 0 ? t.weights[label] : 1.0F;
}
__device__ __forceinline__ float closeness(const Targets& t, int label, int c) {
  const auto distance = static_cast<float>(c - label);
  return expf(-t.sharpness * distance * distance);
}
// What the Gaussian around `label` sums to, for the whole warp.
__device__ __forceinline__ float closeness_sum(const Targets& t, int channels, int label) {
  if (t.sharpness == 0) return 1;
  float sum = 0;
  for (int c = lane(); c < channels; c += 32) sum += closeness(t, label, c);
  return warp_sum(sum);
}
// q[c]
__device__ __forceinline__ float target(const Targets& t, int channels, int label, int c,
                                        float sum) {
  const float alone = c == label ? 1.0F : 0.0F;
  const float q = t.sharpness == 0 ? alone : closeness(t, label, c) / sum;
  return (1 - t.smoothing) * q + t.smoothing / static_cast<float>(channels);
}

__global__ void loss_per_row(int rows, Labels labels, Targets targets, const float* x,
                             float* loss) {
  const int row = row_of_warp();
  if (row >= rows) return;
  const float* scores = x + static_cast<std::int64_t>(row) * labels.channels;
  const Normaliser n = normaliser(labels.channels, scores);
  const int label = label_of(labels, row);
  const float closeness = closeness_sum(targets, labels.channels, label);
  float sum = 0;
  for (int c = lane(); c < labels.channels; c += 32) {
    const float q = target(targets, labels.channels, label, c, closeness);
    if (q != 0) sum -= q * logf(fmaxf(expf(scores[c] - n.largest) / n.sum, FLT_MIN));
  }
  sum = warp_sum(sum);
  if (lane() != 0) return;
  loss[row] = label == -1 ? 0.0F : label < -1 ? NAN : weight_of(targets, label) * sum;
}

// Sum of losses / count; the count stays for backward. Of a batch shared by several ranks the count
// lies in memory, because it may be another in every step: `shared`, 0 = not shared.
__global__ void sum_losses(int rows, Labels labels, Targets targets, float fixed_count,
                           const float* shared, const float* loss, float* total, float* count) {
  float sum = 0, counted = 0;
  for (int row = static_cast<int>(threadIdx.x); row < rows; row += kSumThreads) {
    sum += loss[row];
    counted += weight_of(targets, label_of(labels, row));
  }
  sum = block_sum<kSumThreads>(sum);
  counted = block_sum<kSumThreads>(counted);
  if (threadIdx.x != 0) return;
  const float own = fixed_count > 0 ? fixed_count : counted > 0 ? counted : 1.0F;
  const float divisor = *shared > 0 ? *shared : own;
  *count = divisor;
  *total = sum / divisor;
}

__global__ void loss_backward(int rows, Labels labels, Targets targets, float weight,
                              const float* count, const float* x, float* dx) {
  const int row = row_of_warp();
  if (row >= rows) return;
  const std::int64_t first = static_cast<std::int64_t>(row) * labels.channels;
  const Normaliser n = normaliser(labels.channels, x + first);
  const int label = label_of(labels, row);
  const float factor = weight * weight_of(targets, label) / *count;
  const float closeness = closeness_sum(targets, labels.channels, label);
  for (int c = lane(); c < labels.channels; c += 32) {
    const float p = expf(x[first + c] - n.largest) / n.sum;
    dx[first + c] = label == -1 ? 0.0F
                    : label < -1
                        ? NAN
                        : (p - target(targets, labels.channels, label, c, closeness)) * factor;
  }
}

// hit[row]: 1 or 0; -1 ignored. Rank = number of (score, index) pairs above the label's.
__global__ void hit_per_row(int rows, Labels labels, int top_k, const float* x, float* hit) {
  const int row = row_of_warp();
  if (row >= rows) return;
  const float* scores = x + static_cast<std::int64_t>(row) * labels.channels;
  const int label = label_of(labels, row);
  float above = 0;
  if (label >= 0) {
    const float own = scores[label];
    for (int c = lane(); c < labels.channels; c += 32)
      above += scores[c] > own || (scores[c] == own && c > label) ? 1.0F : 0.0F;
  }
  above = warp_sum(above);
  if (lane() == 0)
    hit[row] = label == -1 ? -1.0F : label < -1 ? NAN : above < static_cast<float>(top_k) ? 1 : 0;
}

// Block 0: the share of all; block 1 + c: that of class c, 0 where it does not occur.
__global__ void share_of_hits(int rows, Labels labels, const float* hit, float* share,
                              float* per_class) {
  const int only = static_cast<int>(blockIdx.x) - 1;
  float hits = 0, counted = 0;
  for (int row = static_cast<int>(threadIdx.x); row < rows; row += kSumThreads) {
    const int label = label_of(labels, row);
    if (label == -1 || (only >= 0 && label != only)) continue;
    hits += hit[row], counted += 1;
  }
  hits = block_sum<kSumThreads>(hits);
  counted = block_sum<kSumThreads>(counted);
  if (threadIdx.x == 0) (only < 0 ? share[0] : per_class[only]) = counted > 0 ? hits / counted : 0;
}

int row_count(const Shape& x) { return index32(x.count() / x.c()); }
dim3 grid_of_rows(const Shape& x) { return blocks_for(row_count(x), kWarps); }

class SoftmaxOp final : public DeviceOp {
 public:
  using DeviceOp::DeviceOp;
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }

  void forward(std::uint64_t) override {
    const OpTensor& x = binding_.bottoms[0];
    launch<softmax_forward>(grid_of_rows(x.shape), kThreads, 0, stream_, row_count(x.shape),
                            index32(x.shape.c()), x.data, binding_.tops[0].data);
  }
  void backward(std::uint64_t) override {
    const OpTensor& y = binding_.tops[0];
    if (!binding_.bottom_grads[0].data) return;
    launch<softmax_backward>(grid_of_rows(y.shape), kThreads, 0, stream_, row_count(y.shape),
                             index32(y.shape.c()), y.data, binding_.top_grads[0].data,
                             binding_.bottom_grads[0].data);
  }
};

// What the two operations with labels share.
template <class Params>
class LabelledOp : public DeviceOp {
 public:
  explicit LabelledOp(const OpProblem& problem)
      : DeviceOp(problem), p_(std::get<Params>(problem.params)), x_(problem.bottoms[0]) {}
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  [[nodiscard]] std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(row_count(x_)) * sizeof(float);
  }

 protected:
  [[nodiscard]] Labels labels() const {
    return {p_.has_ignore_label, p_.ignore_label, index32(x_.c()), binding_.bottoms[1].data};
  }
  [[nodiscard]] float* per_row() const { return reinterpret_cast<float*>(binding_.scratch); }

  Params p_;
  Shape x_;
};

class SoftmaxLossOp final : public LabelledOp<SoftmaxLossParams>, public SharesBatch {
 public:
  using LabelledOp::LabelledOp;
  [[nodiscard]] std::size_t state_bytes() const override { return sizeof(float); }

  void bind(const OpBinding& binding) override {
    LabelledOp::bind(binding);
    shared_count_ = DeviceBuffer<float>(*binding.device, 1);
  }
  void set_share(const BatchShare& share) override {
    const auto count = static_cast<float>(share.count);
    binding_.device->upload(shared_count_.data(), &count, sizeof count);
  }

  void forward(std::uint64_t) override {
    const int rows = row_count(x_);
    launch<loss_per_row>(grid_of_rows(x_), kThreads, 0, stream_, rows, labels(), targets(),
                         binding_.bottoms[0].data, per_row());
    const float fixed = p_.normalize ? 0.0F : static_cast<float>(x_.n());
    launch<sum_losses>(1, kSumThreads, 0, stream_, rows, labels(), targets(), fixed,
                       shared_count_.data(), per_row(), binding_.tops[0].data, count());
  }
  void backward(std::uint64_t) override {
    if (!binding_.bottom_grads[0].data) return;
    launch<loss_backward>(grid_of_rows(x_), kThreads, 0, stream_, row_count(x_), labels(),
                          targets(), p_.loss_weight, count(), binding_.bottoms[0].data,
                          binding_.bottom_grads[0].data);
  }

 private:
  [[nodiscard]] float* count() const { return reinterpret_cast<float*>(binding_.state); }
  [[nodiscard]] Targets targets() const {
    const float sigma = p_.ordinal_sigma;
    Targets t{.smoothing = p_.label_smoothing,
              .sharpness = sigma > 0 ? 1 / (2 * sigma * sigma) : 0,
              .weighted = !p_.class_weights.empty(),
              .weights = {}};
    std::ranges::copy(p_.class_weights, t.weights);
    return t;
  }

  DeviceBuffer<float> shared_count_;
};

std::string supports_loss(const OpProblem& problem) {
  const auto* p = std::get_if<SoftmaxLossParams>(&problem.params);
  if (!p) return "another operation";
  if (std::ssize(p->class_weights) <= kMaxClassWeights) return "";
  return str("more than ", kMaxClassWeights, " class weights");
}

class AccuracyOp final : public LabelledOp<AccuracyParams> {
 public:
  using LabelledOp::LabelledOp;
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }

  void forward(std::uint64_t) override {
    const int rows = row_count(x_);
    launch<hit_per_row>(grid_of_rows(x_), kThreads, 0, stream_, rows, labels(), p_.top_k,
                        binding_.bottoms[0].data, per_row());
    const bool per_class = binding_.tops.size() > 1;
    launch<share_of_hits>(per_class ? 1 + static_cast<unsigned>(x_.c()) : 1, kSumThreads, 0,
                          stream_, rows, labels(), per_row(), binding_.tops[0].data,
                          per_class ? binding_.tops[1].data : nullptr);
  }
  void backward(std::uint64_t) override {}  // no gradient
};

}  // namespace

extern const Implementation kSoftmax{FOVEA_TARGET_NAME ":softmax", supports_type<SoftmaxParams>,
                                     create_op_of<SoftmaxOp>};
extern const Implementation kSoftmaxLoss{FOVEA_TARGET_NAME ":softmax_loss", supports_loss,
                                         create_op_of<SoftmaxLossOp>};
extern const Implementation kAccuracy{FOVEA_TARGET_NAME ":accuracy", supports_type<AccuracyParams>,
                                      create_op_of<AccuracyOp>};

}  // namespace fovea::FOVEA_TARGET
