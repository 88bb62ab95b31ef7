#include "engine/relevance/step.h"

namespace fovea {
namespace {

// An inner product is a convolution over an image of one pixel.
struct AsConvolution {
  ConvolutionParams params;
  Shape x, y;
};

AsConvolution as_convolution(const OpParams& op, const Shape& x, const Shape& y) {
  if (const auto* p = std::get_if<ConvolutionParams>(&op)) return {*p, x, y};
  const auto& p = std::get<InnerProductParams>(op);
  return {{.outputs = p.outputs}, {x.n(), x.count_from(1), 1, 1}, {x.n(), p.outputs, 1, 1}};
}

class DistributedStep final : public RelevanceStep {
 public:
  DistributedStep(const RelevanceProblem& problem, const DistributedRule& rule)
      : kernels_(*problem.kernels),
        layer_(as_convolution(problem.node->op, problem.values[0].shape, problem.top.shape)),
        rule_(rule),
        x_(memory(layer_.x)),
        r_bottom_(memory(layer_.x)),
        r_top_(memory(layer_.y)) {}

  void set_params(std::span<const float> weight, std::span<const float> bias) override {
    weight_ = there(weight), bias_ = there(bias);
  }
  void run(const StepReport& report) override {
    Device& device = kernels_.device();
    const auto plain = [](const DeviceBuffer<float>& data, const Shape& shape) {
      return OpTensor{data.data(), shape, Layout::kPlain};
    };
    const OpTensor &bottom = binding_.bottoms[0], &top = binding_.tops[0];
    device.reorder(binding_.values[0], plain(x_, bottom.shape));
    device.reorder(top, plain(r_top_, top.shape));
    kernels_.distributed(layer_.params, rule_, plain(x_, layer_.x), weight_.data(), bias_.data(),
                         plain(r_top_, layer_.y), plain(r_bottom_, layer_.x), report.absorbed);
    device.reorder(plain(r_bottom_, bottom.shape), bottom);
  }
  [[nodiscard]] std::size_t own_bytes() const override {
    return x_.bytes() + r_bottom_.bytes() + r_top_.bytes() + weight_.bytes();
  }
  [[nodiscard]] std::string describe() const override {
    return rule_.beta < 0 ? "epsilon: bias distributed" : "alpha_beta: bias distributed";
  }

 private:
  [[nodiscard]] DeviceBuffer<float> memory(const Shape& shape) const {
    return {kernels_.device(), static_cast<std::size_t>(shape.count())};
  }
  [[nodiscard]] DeviceBuffer<float> there(std::span<const float> values) const {
    DeviceBuffer<float> copy(kernels_.device(), values.size());
    kernels_.device().upload(copy.data(), values.data(), copy.bytes());
    return copy;
  }

  RelevanceKernels& kernels_;
  AsConvolution layer_;
  DistributedRule rule_;
  DeviceBuffer<float> x_, r_bottom_, r_top_, weight_, bias_;
};

}  // namespace

std::unique_ptr<RelevanceStep> make_distributed_step(const RelevanceProblem& problem, float epsilon,
                                                     float beta) {
  return std::make_unique<DistributedStep>(problem, DistributedRule{epsilon, beta});
}

}  // namespace fovea
