// The emulated device: guarded host memory, and work that is done when it is called for.
#include <cstring>

#include "kernels/cuda/add_parts.h"
#include "kernels/cuda/reorder.h"
#include "kernels/cuda/side_queue.h"
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

class EmulatedSideQueue final : public SideQueue {
 public:
  [[nodiscard]] void* handle() const override { return nullptr; }
  void follow_device() override {}
  void add_parts(const float* parts, int ranks, std::int64_t count, float* to) override {
    emulated::add_parts({}, parts, ranks, count, to);
  }
  std::size_t mark() override { return marks_++; }
  [[nodiscard]] bool reached(std::size_t mark) override {
    expects(mark < marks_, "a mark that was made");
    return true;
  }
  void forget_marks() override { marks_ = 0; }

 private:
  std::size_t marks_ = 0;
};

}  // namespace

std::unique_ptr<SideQueue> make_side_queue(Device&) {
  return std::make_unique<EmulatedSideQueue>();
}

Stream stream_of(Device&);
Stream stream_of(Device&) { return {}; }
void* queue_of(Device&);
void* queue_of(Device&) { return nullptr; }

int current_device();
int current_device() { return 0; }

int device_count();
int device_count() { return 1; }

std::string unit_of(Device&);
std::string unit_of(Device&) { return ""; }

std::shared_ptr<Device> open_device(int);
std::shared_ptr<Device> open_device(int index) {
  require(index == 0, "no device emulated:", index, ", expected emulated");
  return std::make_shared<EmulatedDevice>();
}

}  // namespace fovea::emulated
