// A device whose memory is the host's heap and whose work is done when it is called for: what the
// CPU and the emulated device have in common.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/ops/device.h"

namespace fovea {

// What is sent arrives when it must have arrived and not before, so that a reader that does not
// wait for it, or a writer that does not wait for its reader, meets the wrong bytes here, too.
class HeapStagedUpload final : public StagedUpload {
 public:
  HeapStagedUpload(Device& device, std::size_t bytes) : there_(device, bytes), here_(bytes) {}

  [[nodiscard]] std::byte* host_block() override { return here_.data(); }
  [[nodiscard]] const std::byte* device_block() const override { return there_.data(); }
  void send(std::size_t bytes) override {
    expects(bytes <= here_.size(), "no more than the block");
    sent_ = bytes;
    spoil();
  }
  void arrive() override {
    if (sent_ > 0) std::memcpy(there_.data(), here_.data(), sent_);
  }
  void finished() override { spoil(); }

 private:
  // As floats: not a number; as counts and places: nothing that exists.
  void spoil() {
    if (there_.size() > 0) std::memset(there_.data(), 0xff, there_.size());
  }

  DeviceBuffer<std::byte> there_;
  std::vector<std::byte> here_;
  std::size_t sent_ = 0;
};

class HeapDevice : public Device {
 public:
  [[nodiscard]] std::size_t free_bytes() const override {
    const auto pages = std::max(0L, sysconf(_SC_AVPHYS_PAGES)), page = sysconf(_SC_PAGESIZE);
    return static_cast<std::size_t>(pages) * static_cast<std::size_t>(page);
  }
  [[nodiscard]] std::unique_ptr<StagedUpload> stage(std::size_t bytes) override {
    return std::make_unique<HeapStagedUpload>(*this, bytes);
  }
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
