// Where operations' memory lies, and the queue in which work on it runs.
//
// Host code touches a device's memory through this interface alone, except where host_memory() says
// that both are the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/ops/layout.h"

namespace fovea {

// What changes from step to step; in the device's memory, because a recorded step (CUDA graph) has
// its arguments baked in.
struct StepCounters {
  std::uint64_t iteration = 0;  // keys dropout
  float rate = 0;               // learning rate
};

struct OpTensor;

class Device {
 public:
  virtual ~Device() = default;

  [[nodiscard]] virtual std::string name() const = 0;  // "cpu", "emulated", "cuda:0"
  // What it is, for people and for files of measurements.
  [[nodiscard]] virtual std::string description() const { return name(); }
  // Whether the host may read and write what allocate() gives.
  [[nodiscard]] virtual bool host_memory() const = 0;

  // `bytes` of zeros at a multiple of 256 (64 on the host); released by release().
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data) noexcept = 0;

  // In the order of the calls, behind all work called for before. upload() returns when `from` may
  // be changed, download() when `to` is complete.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void clear(void* data, std::size_t bytes) = 0;
  // Waits for all of it; an error of earlier work shows here at the latest.
  virtual void synchronize() = 0;

  // Writes every element of `to` in its layout, channel padding as zero. Shapes must be equal;
  // memory must not overlap.
  virtual void reorder(const OpTensor& from, const OpTensor& to) = 0;

  // Calls `work`, and returns what repeats it: at least the same calls, at best a recording of what
  // they queued (CUDA graph), for which pointers and shapes must stay.
  [[nodiscard]] virtual std::function<void()> record(std::function<void()> work) {
    work();
    return work;
  }

  // Seconds of each of `runs` calls of `work` by the device's clock, after one that is not counted.
  // Cold: in front of each, more memory is written than any cache holds.
  [[nodiscard]] virtual std::vector<double> time(const std::function<void()>& work, int runs,
                                                 bool cold) = 0;
};

// Memory of a device. Empty while default-constructed.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, std::size_t count)
      : data_(count == 0 ? nullptr : static_cast<T*>(device.allocate(count * sizeof(T))),
              Release{&device}),
        count_(count) {}

  [[nodiscard]] T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }

 private:
  struct Release {
    Device* device = nullptr;
    void operator()(T* p) const noexcept { device->release(p); }
  };
  std::unique_ptr<T, Release> data_{nullptr, Release{}};
  std::size_t count_ = 0;
};

}  // namespace fovea
