#include "engine/train/evaluate.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdlib>

#include "engine/core/error.h"

namespace fovea {

Evaluation evaluate(std::span<const int> truth, std::span<const int> predicted, int classes) {
  expects(truth.size() == predicted.size(), "one prediction per sample");
  const auto size = static_cast<std::size_t>(classes);
  Evaluation e{.count = std::ssize(truth),
               .per_class_recall = std::vector<double>(size),
               .confusion = std::vector(size, std::vector<std::int64_t>(size))};
  std::int64_t right = 0, near = 0, distance = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const int off = std::abs(truth[i] - predicted[i]);
    right += off == 0 ? 1 : 0, near += off <= 1 ? 1 : 0, distance += off;
    ++e.confusion.at(static_cast<std::size_t>(truth[i])).at(static_cast<std::size_t>(predicted[i]));
  }
  const double count = truth.empty() ? 1 : static_cast<double>(truth.size());
  e.accuracy = static_cast<double>(right) / count;
  e.one_off = static_cast<double>(near) / count;
  e.mae = static_cast<double>(distance) / count;
  for (std::size_t c = 0; c < size; ++c) {
    std::int64_t samples = 0;
    for (const std::int64_t n : e.confusion[c]) samples += n;
    e.per_class_recall[c] =
        samples > 0 ? static_cast<double>(e.confusion[c][c]) / static_cast<double>(samples) : 0;
  }
  return e;
}

std::span<const double> Predictions::row(std::size_t sample) const {
  const auto size = static_cast<std::size_t>(classes);
  return std::span(probabilities).subspan(sample * size, size);
}

Predictions mean_of(std::span<const Predictions> members) {
  expects(!members.empty(), "one member or more");
  Predictions mean = members[0];
  for (const Predictions& member : members.subspan(1)) {
    expects(member.classes == mean.classes && member.truth == mean.truth,
            "predictions of the same samples and classes");
    for (std::size_t i = 0; i < mean.probabilities.size(); ++i)
      mean.probabilities[i] += member.probabilities[i];
  }
  for (double& p : mean.probabilities) p /= static_cast<double>(members.size());
  return mean;
}

namespace {

ExpectedValue expected_value(const Predictions& p) {
  ExpectedValue e;
  for (std::size_t i = 0; i < p.truth.size(); ++i) {
    const std::span<const double> row = p.row(i);
    double expected = 0;
    for (std::size_t c = 0; c < row.size(); ++c) expected += static_cast<double>(c) * row[c];
    const double off = std::abs(std::floor(expected + 0.5) - p.truth[i]);
    e.mae += std::abs(expected - p.truth[i]);
    e.accuracy += off == 0 ? 1 : 0, e.one_off += off <= 1 ? 1 : 0;
  }
  const auto count = static_cast<double>(std::max<std::size_t>(p.truth.size(), 1));
  e.mae /= count, e.accuracy /= count, e.one_off /= count;
  return e;
}

}  // namespace

Evaluation evaluate(const Predictions& p) {
  std::vector<int> predicted;
  double loss = 0;
  for (std::size_t i = 0; i < p.truth.size(); ++i) {
    const std::span<const double> row = p.row(i);
    predicted.push_back(static_cast<int>(std::ranges::max_element(row) - row.begin()));
    loss -= std::log(std::max(row[static_cast<std::size_t>(p.truth[i])], double{FLT_MIN}));
  }
  Evaluation e = evaluate(p.truth, predicted, p.classes);
  if (!p.truth.empty()) e.loss = loss / static_cast<double>(p.truth.size());
  e.expected = expected_value(p);
  return e;
}

Spread spread(std::span<const double> values) {
  Spread s;
  if (values.empty()) return s;
  for (const double v : values) s.mean += v / static_cast<double>(values.size());
  for (const double v : values)
    s.std += (v - s.mean) * (v - s.mean) / static_cast<double>(values.size());
  s.std = std::sqrt(s.std);
  return s;
}

}  // namespace fovea
