// A stream of its own, and events for its marks.
#include "kernels/cuda/side_queue.h"

#include <vector>

#include "kernels/cuda/add_parts.h"
#include "kernels/cuda/host/resources.h"

namespace fovea::cuda {

Stream stream_of(Device& device);

namespace {

class StreamBeside final : public SideQueue {
 public:
  explicit StreamBeside(Device& device)
      : device_(stream_of(device)), stream_(make_stream()), handed_over_(make_event(false)) {}

  [[nodiscard]] void* handle() const override { return stream_.get(); }

  // The wait is for the event as it is recorded now, so one event serves for all.
  void follow_device() override {
    check(cudaEventRecord(handed_over_.get(), device_.handle));
    check(cudaStreamWaitEvent(stream_.get(), handed_over_.get(), 0));
  }
  void add_parts(const float* parts, int ranks, std::int64_t count, float* to) override {
    cuda::add_parts({stream_.get(), device_.device}, parts, ranks, count, to);
  }

  std::size_t mark() override {
    const DeviceScope scope(device_.device);
    if (used_ == marks_.size()) marks_.push_back(make_event(false));
    check(cudaEventRecord(marks_[used_].get(), stream_.get()));
    return used_++;
  }
  [[nodiscard]] bool reached(std::size_t mark) override {
    const cudaError_t state = cudaEventQuery(marks_.at(mark).get());
    if (state == cudaErrorNotReady) return false;
    check(state);
    return true;
  }
  void forget_marks() override { used_ = 0; }

 private:
  Stream device_;
  OwnedStream stream_;
  OwnedEvent handed_over_;
  std::vector<OwnedEvent> marks_;  // kept from pass to pass
  std::size_t used_ = 0;
};

}  // namespace

std::unique_ptr<SideQueue> make_side_queue(Device& device) {
  const DeviceScope scope(stream_of(device).device);
  return std::make_unique<StreamBeside>(device);
}

}  // namespace fovea::cuda
