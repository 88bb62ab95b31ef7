#include "kernels/reference/softmax_loss.h"

#include <cfloat>

#include "kernels/reference/labels.h"
#include "kernels/reference/softmax.h"

namespace fovea::reference {
namespace {

// Calls visit(n, position, label, weight) for every label, -1 where it is ignored, and returns what
// the loss is divided by.
template <class Visit>
double for_each_label(const SoftmaxLossParams& params, const Shape& x, Input labels,
                      double shared_count, Visit&& visit) {
  const std::int64_t positions = x.h() * x.w();
  double counted = 0;
  for (std::int64_t i = 0; i < x.n() * positions; ++i) {
    const std::int64_t label =
        label_at(labels, i, x.c(), params.has_ignore_label, params.ignore_label);
    const double weight = label < 0 ? 0
                          : params.class_weights.empty()
                              ? 1
                              : double{params.class_weights[static_cast<std::size_t>(label)]};
    counted += weight;
    visit(i / positions, i % positions, label, weight);
  }
  if (shared_count > 0) return shared_count;
  if (!params.normalize) return static_cast<double>(x.n());
  return counted > 0 ? counted : 1;
}

// exp(-(c - label)^2 / (2 sigma^2))
double closeness(double sigma, std::int64_t c, std::int64_t label) {
  const double distance = static_cast<double>(c - label) / sigma;
  return std::exp(-distance * distance / 2);
}

// q of the contract, for one label.
class Targets {
 public:
  Targets(const SoftmaxLossParams& params, std::int64_t classes, std::int64_t label)
      : sigma_(params.ordinal_sigma),
        smoothing_(params.label_smoothing),
        classes_(classes),
        label_(label) {
    for (std::int64_t c = 0; sigma_ > 0 && c < classes; ++c) sum_ += closeness(sigma_, c, label);
  }
  double operator()(std::int64_t c) const {
    const double t = sigma_ > 0 ? closeness(sigma_, c, label_) / sum_ : c == label_ ? 1.0 : 0.0;
    return (1 - smoothing_) * t + smoothing_ / static_cast<double>(classes_);
  }

 private:
  double sigma_, smoothing_;
  std::int64_t classes_, label_;
  double sum_ = 0;
};

void check(const SoftmaxLossParams& params, std::int64_t classes) {
  expects(params.class_weights.empty() || std::ssize(params.class_weights) == classes,
          "a weight for every class");
}

// Softmax over the channels at one position.
struct Softmax {
  double largest, sum;  // of the scores; of exp(score - largest)
};
Softmax softmax_at(Input x, std::int64_t n, std::int64_t position) {
  Softmax s{x(n, 0, 0, position), 0};
  for (std::int64_t c = 0; c < x.shape.c(); ++c)
    s.largest = std::max(s.largest, x(n, c, 0, position));
  for (std::int64_t c = 0; c < x.shape.c(); ++c)
    s.sum += std::exp(x(n, c, 0, position) - s.largest);
  return s;
}

}  // namespace

double softmax_loss(const SoftmaxLossParams& params, Input x, Input labels, double shared_count) {
  check(params, x.shape.c());
  double sum = 0;
  const double count = for_each_label(
      params, x.shape, labels, shared_count, [&](auto n, auto i, auto label, double weight) {
        if (label < 0) return;
        const Softmax p = softmax_at(x, n, i);
        const Targets q(params, x.shape.c(), label);
        for (std::int64_t c = 0; c < x.shape.c(); ++c) {
          if (q(c) == 0) continue;
          const double probability = std::exp(x(n, c, 0, i) - p.largest) / p.sum;
          sum -= weight * q(c) * std::log(std::max(probability, double{FLT_MIN}));
        }
      });
  return sum / count;
}

void softmax_loss_gradient(const SoftmaxLossParams& params, Input x, Input labels, Output dx,
                           double shared_count) {
  check(params, x.shape.c());
  softmax(x, dx);
  const double count = for_each_label(
      params, x.shape, labels, shared_count, [&](auto n, auto i, auto label, double weight) {
        const Targets q(params, x.shape.c(), label);
        for (std::int64_t c = 0; c < x.shape.c(); ++c)
          dx(n, c, 0, i) = label < 0 ? 0.0 : weight * (dx(n, c, 0, i) - q(c));
      });
  for (double& gradient : dx.span()) gradient *= params.loss_weight / count;
}

}  // namespace fovea::reference
