// What `fovea train` shows while it runs: on a terminal a few lines that are redrawn in place, else
// a plain line for every display interval and evaluation.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/train/run_log.h"

namespace fovea::apps {

class TrainView {
 public:
  // Training goes from iteration `first` to `last` with so many images in each. Silent with
  // --quiet.
  TrainView(std::int64_t first, std::int64_t last, std::int64_t images);
  ~TrainView();  // wipes what was drawn
  TrainView(const TrainView&) = delete;
  TrainView& operator=(const TrainView&) = delete;

  void tick(std::int64_t iteration,
            double loss);  // after every iteration; drawn ten times a second
  void report(const TrainProgress& progress);

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] double smoothed() const;
  [[nodiscard]] double images_per_s() const;
  [[nodiscard]] std::string eta(double images_per_s) const;
  [[nodiscard]] std::string plain_line(const TrainProgress& progress) const;
  [[nodiscard]] std::vector<std::string> lines() const;
  void draw();

  bool terminal_;
  std::int64_t first_, last_, images_, iteration_;
  double loss_ = 0, sum_ = 0, weight_ = 0;  // sum_ / weight_: exponentially smoothed loss
  std::optional<TrainProgress> reported_;
  std::string evaluated_;  // line about the last evaluation
  std::size_t drawn_ = 0;  // lines on the terminal
  Clock::time_point start_ = Clock::now(), last_drawn_{};
};

}  // namespace fovea::apps
