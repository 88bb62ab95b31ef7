// Sums over several GPUs (kernels/ops/device_sum.h), whose values NCCL carries from one to another.
//
// NCCL moves values and adds nothing. Its own sum (ncclAllReduce) has no order that one could rely
// on: that follows from algorithm, protocol, number of channels and the machine's wiring, which it
// chooses by size and topology (NVIDIA/nccl issues 23, 1055), and its documentation promises
// none. So of every piece each rank gets one slice from all ranks, adds it up in their order with a
// kernel of ours, and sends the sum to all: the bits are those of sums through the hosts
// (engine/parallel/communicator.h), and depend on the number of ranks alone. Every value crosses
// twice, as in a ring.
//
//   queue of its own: [behind the device's work] all to all of slices | add | all to all of sums
//   memory: a slice from every rank, about the largest piece in all
#pragma once

#include <memory>
#include <string>

#include "kernels/ops/device_sum.h"

namespace fovea {
class Device;
}

namespace fovea::nccl {

// What this build and machine have of NCCL; it is looked for at the first call. kernels/absent
// where the build lacks its header.
struct Offer {
  std::string version;  // "NCCL 2.28.9"
  std::string missing;  // one line; empty: it is there
};
[[nodiscard]] Offer offer();

// What the ranks that belong together know each other by: rank 0 makes it and gives it to the
// others.
[[nodiscard]] std::string make_id();

struct Membership {
  std::string id;
  int rank = 0, size = 1;
  double timeout_s = 600;  // of every wait for the others
};

// Called by all ranks at once, each with a GPU of its own (one rank alone is allowed), which must
// outlive the result.
[[nodiscard]] std::unique_ptr<DeviceSum> join(Device& device, const Membership& membership);

}  // namespace fovea::nccl
