#include "kernels/reference/softmax_loss.h"

#include <cfloat>
#include <numeric>
#include <vector>

#include "kernels/reference/labels.h"
#include "kernels/reference/softmax.h"

namespace fovea::reference {
namespace {

// Calls visit(n, position, label, weight) for every label, -1 where it is ignored, and returns what
// the loss is divided by.
template <class Visit>
double for_each_label(const SoftmaxLossParams& params, const Shape& x, Input labels,
                      Visit&& visit) {
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
  if (!params.normalize) return static_cast<double>(x.n());
  return counted > 0 ? counted : 1;
}

// q of the contract.
std::vector<double> targets(const SoftmaxLossParams& params, std::int64_t classes,
                            std::int64_t label) {
  std::vector<double> q(static_cast<std::size_t>(classes));
  if (params.ordinal_sigma > 0) {
    const double sigma = params.ordinal_sigma;
    for (std::size_t c = 0; c < q.size(); ++c) {
      const double distance = (static_cast<double>(c) - static_cast<double>(label)) / sigma;
      q[c] = std::exp(-distance * distance / 2);
    }
    const double sum = std::accumulate(q.begin(), q.end(), 0.0);
    for (double& value : q) value /= sum;
  } else {
    q[static_cast<std::size_t>(label)] = 1;
  }
  const double smoothing = params.label_smoothing;
  for (double& value : q)
    value = (1 - smoothing) * value + smoothing / static_cast<double>(classes);
  return q;
}

void check(const SoftmaxLossParams& params, std::int64_t classes) {
  expects(params.class_weights.empty() || std::ssize(params.class_weights) == classes,
          "a weight for every class");
}

// Softmax over the channels at one position.
std::vector<double> probabilities(Input x, std::int64_t n, std::int64_t position) {
  std::vector<double> p(static_cast<std::size_t>(x.shape.c()));
  double largest = x(n, 0, 0, position), sum = 0;
  for (std::int64_t c = 0; c < x.shape.c(); ++c) largest = std::max(largest, x(n, c, 0, position));
  for (std::int64_t c = 0; c < x.shape.c(); ++c) sum += std::exp(x(n, c, 0, position) - largest);
  for (std::size_t c = 0; c < p.size(); ++c)
    p[c] = std::exp(x(n, static_cast<std::int64_t>(c), 0, position) - largest) / sum;
  return p;
}

}  // namespace

double softmax_loss(const SoftmaxLossParams& params, Input x, Input labels) {
  check(params, x.shape.c());
  double sum = 0;
  const double count =
      for_each_label(params, x.shape, labels, [&](auto n, auto i, auto label, double weight) {
        if (label < 0) return;
        const std::vector<double> p = probabilities(x, n, i),
                                  q = targets(params, x.shape.c(), label);
        for (std::size_t c = 0; c < p.size(); ++c) {
          if (q[c] != 0) sum -= weight * q[c] * std::log(std::max(p[c], double{FLT_MIN}));
        }
      });
  return sum / count;
}

void softmax_loss_gradient(const SoftmaxLossParams& params, Input x, Input labels, Output dx) {
  check(params, x.shape.c());
  softmax(x, dx);
  const double count =
      for_each_label(params, x.shape, labels, [&](auto n, auto i, auto label, double weight) {
        const std::vector<double> q =
            label < 0 ? std::vector<double>() : targets(params, x.shape.c(), label);
        for (std::int64_t c = 0; c < x.shape.c(); ++c) {
          dx(n, c, 0, i) =
              label < 0 ? 0.0 : weight * (dx(n, c, 0, i) - q[static_cast<std::size_t>(c)]);
        }
      });
  for (double& gradient : dx.span()) gradient *= params.loss_weight / count;
}

}  // namespace fovea::reference
