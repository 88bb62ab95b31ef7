#include "kernels/reference/softmax_loss.h"

#include <cfloat>

#include "kernels/reference/labels.h"
#include "kernels/reference/softmax.h"

namespace fovea::reference {
namespace {

// Calls visit(n, position, label) for every label, -1 where it is ignored, and returns what the
// loss is divided by.
template <class Visit>
double for_each_label(const SoftmaxLossParams& params, const Shape& x, Input labels,
                      Visit&& visit) {
  const std::int64_t positions = x.h() * x.w();
  std::int64_t counted = 0;
  for (std::int64_t i = 0; i < x.n() * positions; ++i) {
    const std::int64_t label =
        label_at(labels, i, x.c(), params.has_ignore_label, params.ignore_label);
    if (label >= 0) ++counted;
    visit(i / positions, i % positions, label);
  }
  return static_cast<double>(params.normalize ? std::max<std::int64_t>(counted, 1) : x.n());
}

double probability(Input x, std::int64_t n, std::int64_t position, std::int64_t label) {
  double largest = x(n, 0, 0, position), sum = 0;
  for (std::int64_t c = 0; c < x.shape.c(); ++c) largest = std::max(largest, x(n, c, 0, position));
  for (std::int64_t c = 0; c < x.shape.c(); ++c) sum += std::exp(x(n, c, 0, position) - largest);
  return std::exp(x(n, label, 0, position) - largest) / sum;
}

}  // namespace

double softmax_loss(const SoftmaxLossParams& params, Input x, Input labels) {
  double sum = 0;
  const double count = for_each_label(params, x.shape, labels, [&](auto n, auto i, auto label) {
    if (label >= 0) sum -= std::log(std::max(probability(x, n, i, label), double{FLT_MIN}));
  });
  return sum / count;
}

void softmax_loss_gradient(const SoftmaxLossParams& params, Input x, Input labels, Output dx) {
  softmax(x, dx);
  const double count = for_each_label(params, x.shape, labels, [&](auto n, auto i, auto label) {
    for (std::int64_t c = 0; c < x.shape.c(); ++c) {
      dx(n, c, 0, i) = label < 0 ? 0.0 : dx(n, c, 0, i) - (c == label ? 1.0 : 0.0);
    }
  });
  for (double& gradient : dx.span()) gradient *= params.loss_weight / count;
}

}  // namespace fovea::reference
