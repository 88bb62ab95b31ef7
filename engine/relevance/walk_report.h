// What the steps of a walk leave behind, one table in the device's memory until somebody reads it.
#pragma once

#include <span>
#include <vector>

#include "kernels/ops/relevance_kernels.h"

namespace fovea {

// Rows of one entry per image: `steps` of what was absorbed, `sums` of sums of relevance; and a
// flag per step (StepReport::unserved).
class WalkReport {
 public:
  WalkReport() = default;
  // `device` must outlive this.
  WalkReport(Device& device, std::size_t images, std::size_t steps, std::size_t sums);

  // Nothing is absorbed, nothing summed up, no flag set; queued.
  void clear();

  // In the device's memory, for its kernels.
  [[nodiscard]] std::span<AbsorbedSums> absorbed(std::size_t step) const;
  [[nodiscard]] std::span<ImageSums> sums(std::size_t row) const;
  [[nodiscard]] int* unserved(std::size_t step) const;

  // Waits, and copies the table; what read_* give.
  void read();
  [[nodiscard]] std::span<const AbsorbedSums> read_absorbed(std::size_t step) const;
  [[nodiscard]] std::span<const ImageSums> read_sums(std::size_t row) const;
  [[nodiscard]] bool read_unserved(std::size_t step) const;

 private:
  Device* device_ = nullptr;
  std::size_t images_ = 0, sums_at_ = 0, flags_at_ = 0;  // bytes in front of sums and flags
  DeviceBuffer<std::byte> table_;
  std::vector<std::byte> fresh_, copy_;  // what clear() writes, what read() read
};

}  // namespace fovea
