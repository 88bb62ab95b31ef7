// A device whose memory is the host's heap and whose work is done when it is called for: what the
// CPU and the emulated device have in common.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/ops/device.h"

namespace fovea {

class HeapDevice : public Device {
 public:
  void upload(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void clear(void* data, std::size_t bytes) override {
    if (bytes > 0) std::memset(data, 0, bytes);
  }
  void synchronize() override {}
  [[nodiscard]] std::vector<double> time(const std::function<void()>& work, int runs,
                                         bool cold) override {
    using Clock = std::chrono::steady_clock;
    std::vector<char> flushed(cold ? std::size_t{64} << 20 : 0);
    std::vector<double> seconds;
    work();
    for (int i = 0; i < runs; ++i) {
      std::ranges::fill(flushed, static_cast<char>(i));
      const auto start = Clock::now();
      work();
      seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return seconds;
  }
};

}  // namespace fovea
