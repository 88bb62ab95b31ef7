#include "apps/progress.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "apps/common.h"

namespace fovea::apps {

Progress::Progress(std::string label, std::int64_t first)
    : label_(std::move(label)),
      enabled_(!common().quiet && ::isatty(STDERR_FILENO) == 1),
      first_(first) {}

Progress::~Progress() {
  if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
}

void Progress::update(std::int64_t done, std::int64_t total, const std::string& note) {
  const auto now = Clock::now();
  if (!enabled_ || total <= 0 || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done - first_) / seconds : 0;
  const auto left = rate > 0 ? static_cast<int>(static_cast<double>(total - done) / rate) : 0;
  constexpr int kWidth = 30;
  const auto filled = static_cast<std::size_t>(kWidth * done / total);
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%lld/%lld  %.0f/s  ETA %d:%02d",
                static_cast<long long>(done), static_cast<long long>(total), rate, left / 60,
                left % 60);
  std::cerr << '\r' << label_ << "  [" << std::string(filled, '#')
            << std::string(kWidth - filled, '.') << "]  " << numbers << (note.empty() ? "" : "  ")
            << note << "\x1b[K" << std::flush;
}

}  // namespace fovea::apps
