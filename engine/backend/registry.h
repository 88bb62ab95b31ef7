// The explicit table of implementations: per device and operation an ordered list, best first,
// reference last.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/backend/engine_choice.h"
#include "kernels/ops/op.h"
#include "kernels/ops/relevance_kernels.h"
#include "kernels/ops/sgd_kernels.h"

namespace fovea {

// Every device that a build may have. "cudnn" is the GPU of "cuda" with cuDNN's and cuBLAS's
// operations in front of our own.
inline constexpr std::string_view kAllDevices[] = {"cpu", "reference", "emulated", "cuda", "cudnn"};

// Why `device` cannot be used here, in one line; empty where it can.
[[nodiscard]] std::string missing_device(std::string_view device);

// Those of kAllDevices that are usable here.
[[nodiscard]] std::vector<std::string_view> known_devices();

// "cuDNN 9.19.0, cuBLAS 13.1.0" of the device cudnn; empty where there is none, and for others.
[[nodiscard]] std::string library_version(std::string_view device);

// GPUs of this machine that our kernels can run on; 0 where the build has none. Opens none.
[[nodiscard]] int gpu_count();
// The place on the machine's bus of the GPU that `memory` is, which no two ranks may share; empty
// where it is none.
[[nodiscard]] std::string gpu_unit(Device& memory);

// Memory and queue of `device`: a name as above, or "cuda:N", "cudnn:N". Error that says what is
// missing when this build or this machine has no such device.
[[nodiscard]] std::shared_ptr<Device> open_device(std::string_view device);

// Relevance kernels for `memory`, which open_device(device) gave and which must outlive them.
[[nodiscard]] std::unique_ptr<RelevanceKernels> relevance_kernels(std::string_view device,
                                                                  Device& memory);

// The update of `blobs`, which lie in `memory`; null where that is the host's. `memory` must
// outlive them.
[[nodiscard]] std::unique_ptr<SgdKernels> sgd_kernels(Device& memory,
                                                      std::span<const SgdBlob> blobs);

// Candidates for `op` on `device`, best first. An unknown device is an Error that lists the known
// ones. A library's are with the device cudnn; create_op() adds them to cuda's for engines that ask
// for a library.
[[nodiscard]] std::vector<const Implementation*> implementations(std::string_view device,
                                                                 const OpParams& op);

// Precisions that `device` computes in here; Error with one line where `precision` is not one.
[[nodiscard]] std::vector<Precision> known_precisions(std::string_view device);
void require_precision(std::string_view device, Precision precision);

// FLOP/s that the device of `memory` does on registers alone, measured now; 0 where that says
// nothing (emulated).
[[nodiscard]] double peak_flops(Device& memory, Precision precision);

struct ChosenOp {
  std::unique_ptr<Op> op;
  std::string_view implementation;
};

// The candidate of the engine's choice that supports the problem. Error with every candidate's
// reason when none does.
[[nodiscard]] ChosenOp create_op(std::string_view device, const OpProblem& problem,
                                 EngineChoice engine = EngineChoice::kOrdered);

// Siblings (kernels/ops/siblings.h) as one operation; nothing where the device has none for the
// problem, and for engines that compare convolutions one by one with a library's.
[[nodiscard]] std::optional<ChosenOp> create_siblings(std::string_view device,
                                                      const OpProblem& problem,
                                                      EngineChoice engine = EngineChoice::kOrdered);

}  // namespace fovea
