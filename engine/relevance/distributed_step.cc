#include "engine/core/tensor.h"
#include "engine/relevance/step.h"
#include "kernels/cpu/reorder.h"

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
  DistributedStep(const RelevanceProblem& problem, const cpu::DistributedRule& rule)
      : layer_(as_convolution(problem.node->op, problem.values[0].shape, problem.top.shape)),
        rule_(rule),
        x_(problem.values[0].shape),
        r_bottom_(problem.values[0].shape),
        r_top_(problem.top.shape) {}

  void set_params(std::span<const float> weight, std::span<const float> bias) override {
    weight_.assign(weight.begin(), weight.end());
    bias_.assign(bias.begin(), bias.end());
  }
  void run(std::span<cpu::AbsorbedSums> absorbed) override {
    reorder(binding_.values[0], {x_.values.data(), x_.shape, Layout::kPlain});
    reorder(binding_.tops[0], {r_top_.values.data(), r_top_.shape, Layout::kPlain});
    cpu::relevance_distributed(layer_.params, rule_, {x_.values.data(), layer_.x, Layout::kPlain},
                               weight_.data(), bias_.empty() ? nullptr : bias_.data(),
                               {r_top_.values.data(), layer_.y, Layout::kPlain},
                               {r_bottom_.values.data(), layer_.x, Layout::kPlain}, absorbed);
    reorder({r_bottom_.values.data(), r_bottom_.shape, Layout::kPlain}, binding_.bottoms[0]);
  }
  [[nodiscard]] std::size_t own_bytes() const override {
    return (x_.values.size() + r_bottom_.values.size() + r_top_.values.size() + weight_.size()) *
           sizeof(float);
  }
  [[nodiscard]] std::string describe() const override {
    return rule_.beta < 0 ? "epsilon: bias distributed" : "alpha_beta: bias distributed";
  }

 private:
  AsConvolution layer_;
  cpu::DistributedRule rule_;
  Tensor<float> x_, r_bottom_, r_top_;
  std::vector<float> weight_, bias_;
};

}  // namespace

std::unique_ptr<RelevanceStep> make_distributed_step(const RelevanceProblem& problem, float epsilon,
                                                     float beta) {
  return std::make_unique<DistributedStep>(problem, cpu::DistributedRule{epsilon, beta});
}

}  // namespace fovea
