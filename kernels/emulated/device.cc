// The emulated device: guarded host memory, and work that is done when it is called for.
#include <cstring>

#include "kernels/cuda/reorder.h"
#include "kernels/emulated/launch.h"
#include "kernels/emulated/memory.h"
#include "kernels/ops/heap_device.h"

namespace fovea::emulated {
namespace {

class EmulatedDevice final : public HeapDevice {
 public:
  [[nodiscard]] std::string name() const override { return "emulated"; }
  // It lies in the host's memory, but code that touches it there would fail on a GPU.
  [[nodiscard]] bool host_memory() const override { return false; }

  [[nodiscard]] void* allocate(std::size_t bytes) override {
    void* data = allocate_global(bytes);
    std::memset(data, 0, bytes);
    return data;
  }
  void release(void* data) noexcept override { release_global(data); }
  void reorder(const OpTensor& from, const OpTensor& to) override {
    emulated::reorder(*this, from, to);
  }
};

}  // namespace

Stream stream_of(Device&);
Stream stream_of(Device&) { return {}; }
void* queue_of(Device&);
void* queue_of(Device&) { return nullptr; }

int current_device();
int current_device() { return 0; }

std::shared_ptr<Device> open_device(int);
std::shared_ptr<Device> open_device(int index) {
  require(index == 0, "no device emulated:", index, ", expected emulated");
  return std::make_shared<EmulatedDevice>();
}

}  // namespace fovea::emulated
