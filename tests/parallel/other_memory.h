// A device whose memory is not the host's, as far as anybody may know.
#pragma once

#include <cstdlib>
#include <string>

#include "kernels/ops/heap_device.h"
#include "kernels/ops/op.h"

namespace fovea {

class OtherMemory final : public HeapDevice {
 public:
  [[nodiscard]] std::string name() const override { return "lone"; }
  [[nodiscard]] bool host_memory() const override { return false; }
  [[nodiscard]] void* allocate(std::size_t bytes) override { return std::calloc(1, bytes); }
  void release(void* data) noexcept override { std::free(data); }
  void reorder(const OpTensor&, const OpTensor&) override {}

  void upload(void* to, const void* from, std::size_t bytes) override {
    HeapDevice::upload(to, from, bytes);
    ++uploads;
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    HeapDevice::download(to, from, bytes);
    ++downloads;
  }
  int uploads = 0, downloads = 0;
};

}  // namespace fovea
