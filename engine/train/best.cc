#include "engine/train/best.h"

#include "engine/core/json_fields.h"

namespace fovea {

double value_of(Measure measure, const Evaluation& e) {
  switch (measure) {
    case Measure::kAccuracy:
      return e.accuracy;
    case Measure::kOneOff:
      return e.one_off;
    case Measure::kMae:
      return e.mae;
    case Measure::kLoss:
      return e.loss;
    case Measure::kExpectedMae:
      return e.expected.mae;
  }
  return 0;
}

bool BestSoFar::add(std::int64_t iteration, const Evaluation& evaluation) {
  const double value = value_of(params_.measure, evaluation);
  const bool more = params_.measure == Measure::kAccuracy || params_.measure == Measure::kOneOff;
  const bool better = iteration_ < 0 || (more ? value > value_ : value < value_);
  if (better) iteration_ = iteration, value_ = value;
  since_ = better ? 0 : since_ + 1;
  return better;
}

Json BestSoFar::to_json() const {
  return {{"iteration", iteration_}, {"value", value_}, {"since", since_}};
}

void BestSoFar::restore(const Json& json) {
  iteration_ = json.at("iteration").get<std::int64_t>();
  value_ = json.at("value").get<double>();
  since_ = json.at("since").get<std::int64_t>();
}

}  // namespace fovea
