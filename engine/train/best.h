// Evaluation while training: when, of what, which one was the best, and when to give up.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/fields.h"
#include "engine/core/json.h"
#include "engine/train/evaluate.h"

namespace fovea {

// What "better" means: more accuracy or one_off, less of the rest.
enum class Measure { kAccuracy, kOneOff, kMae, kLoss, kExpectedMae };
template <>
inline constexpr EnumTable<Measure, 5> enum_names<Measure>{
    {{"accuracy", Measure::kAccuracy},
     {"one_off", Measure::kOneOff},
     {"mae", Measure::kMae},
     {"loss", Measure::kLoss},
     {"expected_mae", Measure::kExpectedMae}}};
[[nodiscard]] double value_of(Measure measure, const Evaluation& evaluation);

struct EvaluationParams {
  std::int64_t interval = 0;  // iterations from one to the next, and at the end; 0: none
  std::string split = "val";  // val | test | train
  std::int64_t limit = 0;     // images at most, drawn once by the seed; 0: all
  Measure measure = Measure::kAccuracy;
  bool keep_best = false;     // best.safetensors: the weights of the best evaluation so far
  bool average = false;       // evaluate, and keep, the average of the weights (solver.ema)
  std::int64_t patience = 0;  // stop after so many evaluations without a better one; 0: never

  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("interval", p.interval), v("split", p.split), v("limit", p.limit), v("measure", p.measure),
        v("keep_best", p.keep_best), v("average", p.average), v("patience", p.patience);
  }
};

// The best of a run's evaluations. All of it is in to_json(), for resuming.
class BestSoFar {
 public:
  explicit BestSoFar(const EvaluationParams& params) : params_(params) {}

  // True when this is better than all before; the first among equals stays.
  bool add(std::int64_t iteration, const Evaluation& evaluation);
  [[nodiscard]] bool exhausted() const {
    return params_.patience > 0 && since_ >= params_.patience;
  }
  [[nodiscard]] std::int64_t iteration() const { return iteration_; }  // -1: none yet
  [[nodiscard]] double value() const { return value_; }

  [[nodiscard]] Json to_json() const;
  void restore(const Json& json);

 private:
  EvaluationParams params_;
  std::int64_t iteration_ = -1, since_ = 0;  // since_: evaluations after the best
  double value_ = 0;
};

}  // namespace fovea
