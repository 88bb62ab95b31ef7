// ReLU: y = max(x, 0) + slope min(x, 0); dx = dy (y > 0 ? 1 : slope), which is where x > 0 for
// slope
// >= 0.
//
//   x, y, dx, dy: `count` values in any layout; y may be x, dx may be dy
//   thread: four neighbouring values, 16 bytes; 256 threads to a block
//   bytes per value: forward 8, backward 12; no floating-point work to speak of
//   Caffe relu_layer.cu
#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

__global__ void relu_forward(int count, float slope, const float* x, float* y) {
  const int first = (static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * 4;
  const auto relu = [slope](float v) { return fmaxf(v, 0.0F) + slope * fminf(v, 0.0F); };
  if (first + 4 <= count) {
    store4(y + first, map4(relu, load4(x + first)));
  } else {
    for (int i = first; i < count; ++i) y[i] = relu(x[i]);
  }
}

__global__ void relu_backward(int count, float slope, const float* y, const float* dy, float* dx) {
  const int first = (static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * 4;
  const auto mask = [slope](float d, float v) { return v > 0 ? d : d * slope; };
  if (first + 4 <= count) {
    store4(dx + first, map4(mask, load4(dy + first), load4(y + first)));
  } else {
    for (int i = first; i < count; ++i) dx[i] = mask(dy[i], y[i]);
  }
}

class ReluOp final : public DeviceOp {
 public:
  explicit ReluOp(const OpProblem& problem)
      : DeviceOp(problem), slope_(std::get<ReluParams>(problem.params).slope) {}
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool in_place() const override { return true; }

  void forward(std::uint64_t) override {
    const OpTensor &x = binding_.bottoms[0], &y = binding_.tops[0];
    launch<relu_forward>(blocks_for(floats(x), 4 * kThreads), kThreads, 0, stream_,
                         index32(floats(x)), slope_, x.data, y.data);
  }
  void backward(std::uint64_t) override {
    const OpTensor &y = binding_.tops[0], &dx = binding_.bottom_grads[0];
    if (!dx.data) return;
    launch<relu_backward>(blocks_for(floats(y), 4 * kThreads), kThreads, 0, stream_,
                          index32(floats(y)), slope_, y.data, binding_.top_grads[0].data, dx.data);
  }

 private:
  float slope_;
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<ReluParams>(&problem.params);
  if (!params) return "another operation";
  return params->slope >= 0 ? "" : "a negative slope";
}

}  // namespace

extern const Implementation kRelu{FOVEA_TARGET_NAME ":relu", supports, create_op_of<ReluOp>};

}  // namespace fovea::FOVEA_TARGET
