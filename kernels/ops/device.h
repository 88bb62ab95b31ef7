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

// A block that the host fills and sends into the device's memory beside the device's other work.
//
//   host_block()          the host's side, to be filled; waits until the last send() has read it
//   send(bytes)           queues the transfer of its first bytes, behind finished() of the last one
//   arrive()              work queued on the device from now on finds them in device_block()
//   finished()            no work that is queued from now on reads them
// in this order, again and again. host_block() and send() may be called by another thread than the
// rest, as long as no two of the four overlap.
class StagedUpload {
 public:
  virtual ~StagedUpload() = default;
  [[nodiscard]] virtual std::byte* host_block() = 0;
  [[nodiscard]] virtual const std::byte* device_block() const = 0;
  virtual void send(std::size_t bytes) = 0;
  virtual void arrive() = 0;
  virtual void finished() = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  [[nodiscard]] virtual std::string name() const = 0;  // "cpu", "emulated", "cuda:0"
  // What it is, for people and for files of measurements.
  [[nodiscard]] virtual std::string description() const { return name(); }
  // Whether the host may read and write what allocate() gives.
  [[nodiscard]] virtual bool host_memory() const = 0;

  // Makes this the device that the calling thread's calls into CUDA and its libraries mean, and
  // returns which was, for restore_current(): see UseDevice. Nothing where there is but one.
  [[nodiscard]] virtual int make_current() { return 0; }
  virtual void restore_current(int /*previous*/) noexcept {}

  // `bytes` of zeros at a multiple of 256 (64 on the host); released by release().
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data) noexcept = 0;
  // Bytes that allocate() may still give, about.
  [[nodiscard]] virtual std::size_t free_bytes() const = 0;

  // In the order of the calls, behind all work called for before. upload() returns when `from` may
  // be changed, download() when `to` is complete.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void clear(void* data, std::size_t bytes) = 0;
  // Of `bytes`, for what shall travel while the device works; the device must outlive it.
  [[nodiscard]] virtual std::unique_ptr<StagedUpload> stage(std::size_t bytes) = 0;
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

// While it lives, `device` is the calling thread's. A device's own functions and our kernels see to
// that themselves; what makes or runs operations, which may be a library's, holds one of these.
class UseDevice {
 public:
  explicit UseDevice(Device& device) : device_(device), previous_(device.make_current()) {}
  ~UseDevice() { device_.restore_current(previous_); }
  UseDevice(const UseDevice&) = delete;
  UseDevice& operator=(const UseDevice&) = delete;

 private:
  Device& device_;
  int previous_;
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
