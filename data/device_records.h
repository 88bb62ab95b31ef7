// The 8-bit records of a view in a device's memory, decoded, each once.
#pragma once

#include <cstdint>
#include <vector>

#include "data/store.h"
#include "engine/core/shape.h"
#include "kernels/ops/device.h"

namespace fovea {

class DeviceRecords {
 public:
  // Reads, decodes and uploads what `view` names: records of `image` (C, H, W) of 8-bit pixels.
  // Error when one is damaged. `device` must outlive this.
  DeviceRecords(Device& device, const Store& store, const View& view, const Shape& image);

  // What the device's memory must hold for them.
  [[nodiscard]] static std::size_t bytes_of(const View& view, const Shape& image);

  [[nodiscard]] const std::uint8_t* data() const { return pixels_.data(); }
  [[nodiscard]] std::size_t bytes() const { return pixels_.bytes(); }
  // Which of the images there is this record of the store; only of records of the view.
  [[nodiscard]] std::int32_t place_of(std::uint32_t record) const { return places_[record]; }

 private:
  std::vector<std::int32_t> places_;  // by record of the store; -1: not in the view
  DeviceBuffer<std::uint8_t> pixels_;
};

}  // namespace fovea
