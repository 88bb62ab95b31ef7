#include "engine/backend/registry.h"

#include <algorithm>
#include <charconv>

#include "engine/backend/host_device.h"
#include "engine/core/fields.h"
#include "kernels/cpu/implementations.h"
#include "kernels/cuda/implementations.h"
#include "kernels/reference/ops.h"

namespace fovea {
namespace {

// Lists hold every implementation, best first; an entry is a candidate where supports() finds
// nothing against it.
const std::vector<const Implementation*> kCpu = {
    &kCpuWinogradConvolution,
    &kOnednnConvolution,
    &kOnednnInnerProduct,
    &kCpuPooling,
    &kCpuBlockedLrn,
    &kCpuLrn,
    &kCpuRelu,
    &kCpuDropout,
    &kCpuConcat,
    &kCpuSplit,
    &kReferenceImplementation,
};
const std::vector<const Implementation*> kReference = {&kReferenceImplementation};

// The kernels that this build has.
const Target& cuda_target() {
  static const Target target = cuda::target();
  return target;
}
const Target& emulated_target() {
  static const Target target = emulated::target();
  return target;
}

bool is_cuda(std::string_view device) { return device == "cuda" || device.starts_with("cuda:"); }

// N of "cuda:N"; 0 for "cuda".
int cuda_index(std::string_view device) {
  if (device == "cuda") return 0;
  int index = -1;
  const char* end = device.data() + device.size();
  const auto parsed = std::from_chars(device.data() + 5, end, index);
  require(parsed.ec == std::errc{} && parsed.ptr == end && index >= 0, "wrong device: '", device,
          "', expected cuda or cuda:N");
  return index;
}

bool gpu_usable() {
  static const bool usable = [] {
    try {
      return cuda_target().open && cuda_target().open(0) != nullptr;
    } catch (const Error&) {
      return false;
    }
  }();
  return usable;
}

[[noreturn]] void unknown_device(std::string_view device) {
  throw Error(
      str("unknown device: '", device, "', expected cpu | reference | emulated | cuda[:N]"));
}

}  // namespace

std::vector<std::string_view> known_devices() {
  std::vector<std::string_view> devices = {"cpu", "reference"};
  if (emulated_target().open) devices.emplace_back("emulated");
  if (gpu_usable()) devices.emplace_back("cuda");
  return devices;
}

std::shared_ptr<Device> open_device(std::string_view device) {
  if (device == "cpu" || device == "reference") return open_host_device();
  if (device == "emulated") {
    require(emulated_target().open,
            "no device emulated: built without Boost.Context, expected cpu");
    return emulated_target().open(0);
  }
  if (!is_cuda(device)) unknown_device(device);
  require(cuda_target().open, "no device ", device,
          ": this build has no CUDA kernels (no nvcc when it was configured), expected cpu | "
          "emulated | reference");
  return cuda_target().open(cuda_index(device));
}

std::vector<const Implementation*> implementations(std::string_view device, const OpParams& op) {
  (void)op;
  if (device == "cpu") return kCpu;
  if (device == "reference") return kReference;
  if (device == "emulated") return emulated_target().implementations;
  if (is_cuda(device)) return cuda_target().implementations;
  unknown_device(device);
}

ChosenOp create_op(std::string_view device, const OpProblem& problem, EngineChoice engine) {
  std::vector<const Implementation*> candidates = implementations(device, problem.params);
  if (engine == EngineChoice::kOwn)
    std::erase_if(candidates, [](auto* c) { return c->origin == Origin::kLibrary; });
  if (engine == EngineChoice::kLibrary)
    std::ranges::stable_partition(candidates,
                                  [](auto* c) { return c->origin == Origin::kLibrary; });
  std::string reasons;
  for (const Implementation* candidate : candidates) {
    const std::string reason = candidate->supports(problem);
    if (reason.empty()) return {candidate->create(problem), candidate->name};
    reasons += str(reasons.empty() ? "" : "; ", candidate->name, ": ", reason);
  }
  throw Error(str("no implementation on device ", device, ": ", reasons));
}

}  // namespace fovea
