// A device whose memory is the host's heap and whose work is done when it is called for: what the
// CPU and the emulated device have in common.
#pragma once

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
};

}  // namespace fovea
