// Which device a rank computes on, and that no two share a GPU.
#pragma once

#include <string>

#include "engine/parallel/communicator.h"

namespace fovea {

// The device that `device` stands for on the rank that is number `place` on its machine, which has
// `gpus`: "cuda" and "cudnn" are the GPU of that number ("cuda:1"), beginning again at 0 where
// there are fewer (a launcher may show each rank one GPU alone). Others are what they are.
[[nodiscard]] std::string device_of_rank(const std::string& device, int place, int gpus);

// "cuda:1" -> "cuda".
[[nodiscard]] std::string device_without_number(const std::string& device);

// Error, on all ranks, where two of them are on one GPU. `device` and `unit` are this rank's: the
// name, for people, and the place on the machine's bus; no unit: no GPU.
void require_a_gpu_each(Communicator& ranks, const std::string& device, const std::string& unit);

}  // namespace fovea
