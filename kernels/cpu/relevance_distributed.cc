// Relevance of a convolution whose bias is spread over its taps (kernels/cpu/relevance.h). A neuron
// is walked twice: once for its sums, once for the shares. Each (image, group) belongs to one
// thread, so that no two write to one pixel.
#include "kernels/cpu/relevance.h"

namespace fovea::cpu {
namespace {

struct Neuron {
  const ConvolutionParams& p;
  Shape x;
  std::int64_t n, group, k, row, column;

  // body(tap of the filter, index of the pixel, or -1 on padding).
  template <class Body>
  void each_tap(Body&& body) const {
    const std::int64_t channels = x.c() / p.groups;
    std::int64_t tap = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t plane = (n * x.c() + group * channels + c) * x.h() * x.w();
      for (std::int64_t r = 0; r < p.kernel[0]; ++r) {
        for (std::int64_t s = 0; s < p.kernel[1]; ++s, ++tap) {
          const std::int64_t h = row * p.stride[0] - p.pad[0] + r,
                             v = column * p.stride[1] - p.pad[1] + s;
          const bool inside = h >= 0 && h < x.h() && v >= 0 && v < x.w();
          body(tap, inside ? plane + h * x.w() + v : -1);
        }
      }
    }
  }
};

// Adds to `sums` what falls on padding and what epsilon keeps.
void share_out(const Neuron& neuron, const DistributedRule& rule, const float* x, const float* w,
               float bias, float relevance, float* r, AbsorbedSums& sums) {
  double positive = 0, negative = 0;
  const auto contribution = [&](std::int64_t tap, std::int64_t at) {
    return (at < 0 ? 0.0F : w[tap] * x[at]) + bias;
  };
  neuron.each_tap([&](std::int64_t tap, std::int64_t at) {
    const float t = contribution(tap, at);
    (t > 0 ? positive : negative) += static_cast<double>(t);
  });
  float gain, loss;  // factors of positive and of negative contributions
  if (rule.beta < 0) {
    gain = loss = stabilized_quotient(Stabilizer::kEpsilon, relevance,
                                      static_cast<float>(positive + negative), rule.epsilon);
  } else {
    const auto quotient = [&](double sum) {
      return sum == 0 ? 0.0F : static_cast<float>(static_cast<double>(relevance) / sum);
    };
    gain = (1 + rule.beta) * quotient(positive), loss = -rule.beta * quotient(negative);
  }
  sums.epsilon += static_cast<double>(relevance) - positive * static_cast<double>(gain) -
                  negative * static_cast<double>(loss);
  neuron.each_tap([&](std::int64_t tap, std::int64_t at) {
    const float t = contribution(tap, at), share = t * (t > 0 ? gain : loss);
    if (at < 0) {
      sums.padding += static_cast<double>(share);
    } else {
      r[at] += share;
    }
  });
}

}  // namespace

void relevance_distributed(const ConvolutionParams& p, const DistributedRule& rule,
                           const OpTensor& x, const float* w, const float* b, const OpTensor& r_top,
                           const OpTensor& r_bottom, std::span<AbsorbedSums> absorbed) {
  std::vector<AbsorbedSums> sums(static_cast<std::size_t>(r_top.shape.n() * p.groups));
  std::fill_n(r_bottom.data, x.shape.count(), 0.0F);
  const Shape& y = r_top.shape;
  const std::int64_t taps = x.shape.c() / p.groups * p.kernel[0] * p.kernel[1],
                     group_outputs = p.outputs / p.groups;
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < y.n() * p.groups; ++task) {
    const std::int64_t n = task / p.groups, group = task % p.groups;
    for (std::int64_t k = group * group_outputs; k < (group + 1) * group_outputs; ++k) {
      const float bias = b ? b[k] / static_cast<float>(taps) : 0;
      const float* relevance = r_top.data + (n * y.c() + k) * y.h() * y.w();
      for (std::int64_t row = 0; row < y.h(); ++row) {
        for (std::int64_t column = 0; column < y.w(); ++column) {
          share_out({p, x.shape, n, group, k, row, column}, rule, x.data, w + k * taps, bias,
                    relevance[row * y.w() + column], r_bottom.data,
                    sums[static_cast<std::size_t>(task)]);
        }
      }
    }
  }
  for (std::size_t task = 0; task < sums.size(); ++task)
    absorbed[task / static_cast<std::size_t>(p.groups)] += sums[task];
}

}  // namespace fovea::cpu
