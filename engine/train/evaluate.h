// Measures of a classifier over a list of samples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea {

// What a classifier says about a list of samples.
struct Predictions {
  int classes = 0;
  std::vector<int> truth;
  std::vector<double> probabilities;  // one row of `classes` per sample, each summing to 1

  [[nodiscard]] std::span<const double> row(std::size_t sample) const;
};

// What several classifiers say together about the same samples: the mean of their probabilities.
// Error where they do not speak of the same samples and classes.
[[nodiscard]] Predictions mean_of(std::span<const Predictions> members);

// Of the expected class sum_c c p(c), as age is best read from ordered classes (Rothe et al. 2015,
// "DEX"): its mean distance from the true class, and what it gives when it is rounded (halves up).
struct ExpectedValue {
  double mae = 0, accuracy = 0, one_off = 0;
};

// Classes are ordered, so that neighbours are "one off".
struct Evaluation {
  std::int64_t count = 0;
  double accuracy = 0;                               // share of right predictions
  double one_off = 0;                                // share of predictions at most one class away
  double mae = 0;                                    // mean distance in classes
  double loss = 0;                                   // mean -log p(true class); 0 without p
  ExpectedValue expected;                            // zeros without p
  std::vector<double> per_class_recall;              // 0 where a class has no sample
  std::vector<std::vector<std::int64_t>> confusion;  // [true][predicted]
};

[[nodiscard]] Evaluation evaluate(std::span<const int> truth, std::span<const int> predicted,
                                  int classes);
// The most probable class, the first among equals, is what is predicted.
[[nodiscard]] Evaluation evaluate(const Predictions& predictions);

// Mean and population standard deviation (numpy's default).
struct Spread {
  double mean = 0, std = 0;
};
[[nodiscard]] Spread spread(std::span<const double> values);

}  // namespace fovea
