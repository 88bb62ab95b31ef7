// A parameter or gradient on the host: the executor's memory itself, or a copy of it where the
// device's memory is another.
#pragma once

#include <span>
#include <vector>

#include "kernels/ops/device.h"

namespace fovea {

class OnHost {
 public:
  OnHost(Device& device, std::span<const float> values) : values_(values) {
    if (device.host_memory()) return;
    copy_.resize(values.size());
    device.download(copy_.data(), values.data(), values.size_bytes());
  }
  [[nodiscard]] std::span<const float> span() const { return copy_.empty() ? values_ : copy_; }

 private:
  std::span<const float> values_;
  std::vector<float> copy_;
};

}  // namespace fovea
