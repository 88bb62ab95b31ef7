// Who adds up the gradients of the ranks: NCCL from GPU to GPU, or the hosts.
#pragma once

#include <memory>
#include <string>

#include "engine/core/fields.h"
#include "engine/parallel/communicator.h"
#include "kernels/ops/device.h"
#include "kernels/ops/device_sum.h"

namespace fovea {

enum class SumChoice {
  kAuto,  // NCCL where every rank has a GPU and NCCL; the hosts elsewhere
  kHosts,
  kNccl,  // or an Error; of one rank alone, too, which has nothing to add
};
template <>
inline constexpr EnumTable<SumChoice, 3> enum_names<SumChoice>{
    {{"auto", SumChoice::kAuto}, {"hosts", SumChoice::kHosts}, {"nccl", SumChoice::kNccl}}};

struct ChosenSum {
  std::unique_ptr<DeviceSum> sum;
  std::string note;  // why not NCCL, on a GPU; else empty
};

struct SumOptions {
  SumChoice choice = SumChoice::kAuto;
  bool gpu = false;        // whether this rank's device is a GPU
  double timeout_s = 600;  // of NCCL's waits
};

// Of ranks whose executors are on `device`, which must outlive it. No sum for one rank alone unless
// NCCL is asked for.
[[nodiscard]] ChosenSum choose_sum(Communicator& ranks, Device& device, const SumOptions& options);

}  // namespace fovea
