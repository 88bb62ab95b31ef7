// A parameter or gradient on the host: the executor's memory itself, or a copy of it where the
// device's memory is another.
#pragma once

#include <span>
#include <vector>

#include "kernels/ops/device.h"

namespace fovea {

class OnHost {
 public:
  OnHost(Device& device, std::span<float> values) : device_(device), values_(values) {
    if (device.host_memory()) return;
    copy_.resize(values.size());
    device.download(copy_.data(), values.data(), values.size_bytes());
  }
  [[nodiscard]] std::span<float> span() { return copy_.empty() ? values_ : std::span(copy_); }
  void write_back() {
    if (!copy_.empty()) device_.upload(values_.data(), copy_.data(), values_.size_bytes());
  }

 private:
  Device& device_;
  std::span<float> values_;
  std::vector<float> copy_;
};

}  // namespace fovea
