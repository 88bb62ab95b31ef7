#include "engine/backend/host_device.h"

#include <cstdlib>

#include "engine/core/buffer.h"
#include "kernels/cpu/reorder.h"
#include "kernels/ops/heap_device.h"

namespace fovea {
namespace {

class HostDevice final : public HeapDevice {
 public:
  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] bool host_memory() const override { return true; }

  [[nodiscard]] void* allocate(std::size_t bytes) override { return allocate_zeros(bytes); }
  void release(void* data) noexcept override { std::free(data); }
  void reorder(const OpTensor& from, const OpTensor& to) override { fovea::reorder(from, to); }
};

}  // namespace

std::shared_ptr<Device> open_host_device() { return std::make_shared<HostDevice>(); }

}  // namespace fovea
