// Sums over several ranks of values that lie in a device's memory, made beside the device's work.
//
// Every rank calls the same, with the same sizes and in the same order, on the thread that uses the
// device. Sums are made in the order of the ranks, so they depend on their number alone, bit for
// bit. Nobody waits for ever: what does not come in time is an Error that names `what` was waited
// for. Behind an Error there is nothing left to do but to destroy the object.
#pragma once

#include <span>
#include <string>

namespace fovea {

class DeviceSum {
 public:
  DeviceSum() = default;
  // In the middle of a sum: gives it up.
  virtual ~DeviceSum() = default;
  DeviceSum(const DeviceSum&) = delete;
  DeviceSum& operator=(const DeviceSum&) = delete;

  [[nodiscard]] virtual std::string name() const = 0;  // "NCCL 2.28.9", for people

  // Begins values[i] = ((rank 0's + rank 1's) + rank 2's) + ..., in place, behind all work that the
  // device was asked for so far. Until finish() nothing else may touch the values.
  virtual void start(std::span<float> values, const std::string& what) = 0;
  // Returns when all that was begun is done: work that the device is asked for from now on finds
  // the sums.
  virtual void finish() = 0;
};

}  // namespace fovea
