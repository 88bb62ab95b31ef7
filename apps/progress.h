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
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::int64_t done, std::int64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  bool enabled_, drawn_ = false;
  Clock::time_point start_ = Clock::now(), last_{};
};

}  // namespace fovea::apps
