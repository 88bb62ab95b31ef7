#include "engine/train/weight_average.h"

#include <algorithm>

#include "engine/train/on_host.h"
#include "kernels/cpu/sgd.h"

namespace fovea {

WeightAverage::WeightAverage(Executor& executor, float decay) : executor_(executor), decay_(decay) {
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    const OnHost weights(executor.device(), executor.packed_param(k));
    averages_.emplace_back(weights.span().size());
    std::ranges::copy(weights.span(), averages_.back().span().begin());
  }
}

void WeightAverage::update(std::int64_t iteration) {
  const auto n = static_cast<float>(iteration);
  const float decay = std::min(decay_, (1 + n) / (10 + n));
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    const OnHost weights(executor_.device(), executor_.packed_param(k));
    cpu::average_update(decay, averages_[k].span(), weights.span());
  }
}

void WeightAverage::append(WeightFile& file) const {
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    Tensor<float> plain(executor_.param_info(k).shape);
    executor_.unpack(k, averages_[k].span(), plain.values);
    file.tensors.emplace_back(executor_.param_info(k).name, std::move(plain));
  }
}

void WeightAverage::restore(const WeightFile& file, const std::string& name) {
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    const ParamInfo& info = executor_.param_info(k);
    const Tensor<float>* average = file.find(info.name);
    require(average && average->shape == info.shape, "missing or wrong average in ", name, ": ",
            info.name);
    executor_.pack(k, average->values, averages_[k].span());
  }
}

}  // namespace fovea
