// Measures of hand-made predictions.
#include "engine/train/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fovea {
namespace {

TEST(Evaluate, CountsHandMadePredictions) {
  const std::vector<int> truth{0, 0, 1, 1, 1, 2, 3}, predicted{0, 1, 1, 3, 0, 2, 0};
  const Evaluation e = evaluate(truth, predicted, 5);
  EXPECT_EQ(e.count, 7);
  EXPECT_DOUBLE_EQ(e.accuracy, 3.0 / 7);
  EXPECT_DOUBLE_EQ(e.one_off, 5.0 / 7);
  EXPECT_DOUBLE_EQ(e.mae, (0 + 1 + 0 + 2 + 1 + 0 + 3) / 7.0);
  EXPECT_EQ(
      e.confusion,
      (std::vector<std::vector<std::int64_t>>{
          {1, 1, 0, 0, 0}, {1, 1, 0, 1, 0}, {0, 0, 1, 0, 0}, {1, 0, 0, 0, 0}, {0, 0, 0, 0, 0}}));
  const std::vector<double> recall{1.0 / 2, 1.0 / 3, 1, 0, 0};
  for (std::size_t c = 0; c < recall.size(); ++c)
    EXPECT_DOUBLE_EQ(e.per_class_recall[c], recall[c]) << c;
}

TEST(Evaluate, NothingGivesZeros) {
  const Evaluation e = evaluate({}, {}, 2);
  EXPECT_EQ(e.count, 0);
  EXPECT_EQ(e.accuracy, 0);
  EXPECT_EQ(e.mae, 0);
}

TEST(Spread, IsThePopulationsAsNumpysDefault) {
  const std::vector<double> values{1, 2, 4};
  EXPECT_DOUBLE_EQ(spread(values).mean, 7.0 / 3);
  EXPECT_NEAR(spread(values).std, 1.247219128924647, 1e-15);  // numpy.std([1, 2, 4])
  EXPECT_EQ(spread({}).std, 0);
}

TEST(Evaluate, ProbabilitiesGiveTheFirstMostProbableClassAndTheLoss) {
  const Predictions p{.classes = 3,
                      .truth = {0, 2, 1},
                      .probabilities = {0.5, 0.5, 0, 0.25, 0.5, 0.25, 0.125, 0.75, 0.125}};
  const Evaluation e = evaluate(p);
  EXPECT_EQ(e.confusion, (std::vector<std::vector<std::int64_t>>{{1, 0, 0}, {0, 1, 0}, {0, 1, 0}}));
  EXPECT_DOUBLE_EQ(e.loss, (std::log(2.0) + std::log(4.0) - std::log(0.75)) / 3);
}

TEST(Evaluate, AnEnsembleAveragesProbabilitiesNotVotes) {
  // Two of three members say class 0, narrowly; the third is sure of class 1.
  const Predictions unsure{.classes = 2, .truth = {1}, .probabilities = {0.625, 0.375}};
  const Predictions sure{.classes = 2, .truth = {1}, .probabilities = {0, 1}};
  const std::vector<Predictions> members{unsure, unsure, sure};
  const Predictions mean = mean_of(members);
  EXPECT_EQ(mean.truth, std::vector<int>{1});
  EXPECT_DOUBLE_EQ(mean.probabilities[0], 1.25 / 3);
  EXPECT_DOUBLE_EQ(mean.probabilities[1], 1.75 / 3);
  EXPECT_EQ(evaluate(mean).accuracy, 1);
  EXPECT_EQ(mean_of(std::span(members).first(1)).probabilities, unsure.probabilities);
}

TEST(Evaluate, TheExpectedClassIsMeasuredAndRounded) {
  // Expected classes 0.5 (rounds to 1), 1.25, 2.
  const Predictions p{
      .classes = 3, .truth = {0, 1, 0}, .probabilities = {0.5, 0.5, 0, 0.25, 0.25, 0.5, 0, 0, 1}};
  const Evaluation e = evaluate(p);
  EXPECT_DOUBLE_EQ(e.expected.mae, (0.5 + 0.25 + 2) / 3);
  EXPECT_DOUBLE_EQ(e.expected.accuracy, 1.0 / 3);
  EXPECT_DOUBLE_EQ(e.expected.one_off, 2.0 / 3);
}

}  // namespace
}  // namespace fovea
