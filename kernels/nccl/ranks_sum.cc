#include "kernels/nccl/ranks_sum.h"

#include <algorithm>
#include <vector>

#include "kernels/nccl/connection.h"

namespace fovea::nccl {
namespace {

class RanksSum final : public DeviceSum {
 public:
  RanksSum(Device& device, const Membership& membership)
      : device_(device),
        rank_(membership.rank),
        size_(membership.size),
        queue_(runtime().support->side_queue(device)),
        connection_(membership) {}

  // In the middle of a sum the others may never come.
  ~RanksSum() override {
    const UseDevice use(device_);
    if (!begun_.empty()) connection_.abandon();
  }

  [[nodiscard]] std::string name() const override { return runtime().library->version; }

  void start(std::span<float> values, const std::string& what) override {
    if (values.empty()) return;
    const UseDevice use(device_);
    const std::span<float> own = slice(values, rank_);
    make_room(own.size() * static_cast<std::size_t>(size_));
    queue_->follow_device();
    connection_.exchange(what, [&](Connection& connection) {
      for (int r = 0; r < size_; ++r) {
        const std::span<float> part = slice(values, r);
        if (!part.empty()) connection.send(part.data(), part.size(), r, queue_->handle());
        float* from = received_.data() + own.size() * static_cast<std::size_t>(r);
        if (!own.empty()) connection.receive(from, own.size(), r, queue_->handle());
      }
    });
    queue_->add_parts(received_.data(), size_, std::ssize(own), own.data());
    if (size_ > 1) connection_.exchange(what, [&](Connection& c) { share(values, c); });
    queue_->mark();
    begun_.push_back(what);
  }

  // Seen to be done by the host, so that work to come needs no order behind it.
  void finish() override {
    const UseDevice use(device_);
    for (std::size_t i = 0; i < begun_.size(); ++i)
      connection_.wait(begun_[i], [&] { return queue_->reached(i); });
    begun_.clear();
    queue_->forget_marks();
  }

 private:
  // The part of `values` that rank r adds up.
  [[nodiscard]] std::span<float> slice(std::span<float> values, int r) const {
    const auto at = [&](int rank) {
      return values.size() * static_cast<std::size_t>(rank) / static_cast<std::size_t>(size_);
    };
    return values.subspan(at(r), at(r + 1) - at(r));
  }

  // Our sums to the others, and theirs to where their parts lay.
  void share(std::span<float> values, Connection& connection) const {
    const std::span<float> own = slice(values, rank_);
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      const std::span<float> part = slice(values, r);
      if (!own.empty()) connection.send(own.data(), own.size(), r, queue_->handle());
      if (!part.empty()) connection.receive(part.data(), part.size(), r, queue_->handle());
    }
  }

  // Only the first pass of a net takes memory; what was queued on the old one is waited for.
  void make_room(std::size_t floats) {
    if (floats <= received_.size()) return;
    finish();
    received_ = {};
    received_ = DeviceBuffer<float>(device_, floats);
  }

  Device& device_;
  int rank_, size_;
  DeviceBuffer<float> received_;  // (size, slice)
  std::unique_ptr<SideQueue> queue_;
  std::vector<std::string> begun_;  // what each mark stands behind
  Connection connection_;           // last: its end is waited for or forced before memory goes
};

}  // namespace

Offer offer() {
  const Runtime& found = runtime();
  return {.version = found.library ? found.library->version : "", .missing = found.missing};
}

std::string make_id() {
  ncclUniqueId id{};
  const ncclResult_t made = api().ncclGetUniqueId(&id);
  require(made == ncclSuccess, "NCCL: ", api().ncclGetErrorString(made), ", expected an id");
  return {id.internal, sizeof id.internal};
}

std::unique_ptr<DeviceSum> join(Device& device, const Membership& membership) {
  require(runtime().library != nullptr, "no NCCL: ", runtime().missing);
  const UseDevice use(device);  // NCCL takes the thread's
  return std::make_unique<RanksSum>(device, membership);
}

}  // namespace fovea::nccl
