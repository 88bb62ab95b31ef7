#include "engine/relevance/running_mean.h"

#include <cmath>

#include "engine/core/error.h"

namespace fovea {

void RunningMean::add(TensorView<const float> x, const std::string& what, double factor) {
  if (count_ == 0) {
    shape_ = x.shape;
    sums_.resize(static_cast<std::size_t>(x.shape.count()));
  }
  require(x.shape == shape_, "cannot average ", what, ": shape ", x.shape, ", expected ", shape_,
          " as the first");
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += factor * double{x.data[i]};
  ++count_;
}

Tensor<float> RunningMean::mean() const {
  expects(count_ > 0, "a mean of at least one array");
  Tensor<float> mean(shape_);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    mean.values[i] = static_cast<float>(sums_[i] / static_cast<double>(count_));
  }
  return mean;
}

double unit_mass_factor(TensorView<const float> map) {
  double mass = 0;
  for (const float value : map.span()) mass += std::abs(double{value});
  return mass > 0 ? 1 / mass : 0;
}

}  // namespace fovea
