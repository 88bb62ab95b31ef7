// Sums over ranks by the hosts' messages (Communicator::sum), for any device: a thread makes them
// while the device goes on.
//
// In the host's memory they are made where the values lie. From another memory start() brings the
// values to the host, which waits for what the device was asked for so far, and finish() brings the
// sums back.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/parallel/communicator.h"
#include "kernels/ops/device.h"
#include "kernels/ops/device_sum.h"

namespace fovea {

class HostSum final : public DeviceSum {
 public:
  // Both must outlive this. Nobody else uses the communicator between start() and finish().
  HostSum(Communicator& ranks, Device& device);
  // In the middle of a sum: cancels the communicator.
  ~HostSum() override;

  [[nodiscard]] std::string name() const override { return "the hosts"; }
  void start(std::span<float> values, const std::string& what) override;
  void finish() override;

 private:
  struct Task {
    std::span<float> values;    // the device's
    std::vector<float> staged;  // on the host, where that is another memory
    std::string what;
  };

  [[nodiscard]] std::span<float> on_host(Task& task) const;
  void work();

  Communicator& ranks_;
  Device& device_;
  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  std::deque<Task> tasks_;              // kept, with their memory, from pass to pass
  std::size_t begun_ = 0, summed_ = 0;  // of the tasks; equal: nothing to do
  bool stop_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace fovea
