// Mean of arrays of one shape, added one by one: of relevance maps over images, classes and models.
//
// Sums are doubles in the order of adding, so equal runs give equal bytes.
#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace fovea {

class RunningMean {
 public:
  // Adds factor * x. Error when the shape is another than the first one's; `what` names x in it.
  void add(TensorView<const float> x, const std::string& what, double factor = 1);

  [[nodiscard]] std::int64_t count() const { return count_; }
  // Requires count() > 0.
  [[nodiscard]] Tensor<float> mean() const;

 private:
  Shape shape_;
  std::vector<double> sums_;
  std::int64_t count_ = 0;
};

// What makes the magnitudes of a map add up to 1; 0 for a map of zeros.
[[nodiscard]] double unit_mass_factor(TensorView<const float> map);

}  // namespace fovea
