// A second queue of a device, for what runs beside the work of its own queue and exchanges values
// with other devices (kernels/nccl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/ops/device.h"

namespace fovea {

class SideQueue {
 public:
  SideQueue() = default;
  virtual ~SideQueue() = default;
  SideQueue(const SideQueue&) = delete;
  SideQueue& operator=(const SideQueue&) = delete;

  [[nodiscard]] virtual void* handle() const = 0;  // cudaStream_t

  // What is called for here from now on runs behind what the device was asked for so far.
  virtual void follow_device() = 0;

  // to[i] = (parts[0][i] + parts[1][i]) + parts[2][i] + ...; parts (ranks, count).
  virtual void add_parts(const float* parts, int ranks, std::int64_t count, float* to) = 0;

  // Marks, numbered from 0 on, behind what has been called for here; whether one is reached (an
  // error of the work in front of it is an Error).
  virtual std::size_t mark() = 0;
  [[nodiscard]] virtual bool reached(std::size_t mark) = 0;
  // The next mark is 0 again.
  virtual void forget_marks() = 0;
};

namespace cuda {
[[nodiscard]] std::unique_ptr<SideQueue> make_side_queue(Device& device);
}
namespace emulated {
// Work is done when it is called for, so every mark is reached.
[[nodiscard]] std::unique_ptr<SideQueue> make_side_queue(Device& device);
}  // namespace emulated

}  // namespace fovea
