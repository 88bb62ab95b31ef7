// Plain tensors of the host on a device, for as long as this lives.
#pragma once

#include <vector>

#include "engine/backend/transfer.h"
#include "engine/core/tensor.h"

namespace fovea {

class PlainTensors {
 public:
  explicit PlainTensors(Device& device) : device_(device) {}

  OpTensor operator()(const Tensor<float>& plain) {
    memory_.emplace_back(device_, plain.values.size());
    const OpTensor t{memory_.back().data(), plain.shape, Layout::kPlain};
    upload_plain(device_, plain.view(), t);
    return t;
  }

 private:
  Device& device_;
  std::vector<DeviceBuffer<float>> memory_;
};

}  // namespace fovea
