// A progress line on stderr: "packing  [#####.....]  4000/8000  912/s  ETA 0:04", redrawn in place.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fovea::apps {

// Draws only on a terminal and without --quiet, at most ten times a second; the line is wiped at
// the end. For one thread at a time.
class Progress {
 public:
  // `first` is what was done before: it counts towards the total but not towards the rate.
  explicit Progress(std::string label, std::int64_t first = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` stands at the end of the line ("loss 0.69").
  void update(std::int64_t done, std::int64_t total, const std::string& note = "");
  [[nodiscard]] bool enabled() const { return enabled_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  bool enabled_, drawn_ = false;
  std::int64_t first_;
  Clock::time_point start_ = Clock::now(), last_{};
};

}  // namespace fovea::apps
