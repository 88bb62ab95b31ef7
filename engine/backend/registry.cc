#include "engine/backend/registry.h"

#include <algorithm>
#include <charconv>

#include "engine/backend/autotune.h"
#include "engine/backend/host_device.h"
#include "engine/core/fields.h"
#include "kernels/cpu/implementations.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/peak.h"
#include "kernels/cpu/relevance.h"
#include "kernels/cuda/implementations.h"
#include "kernels/reference/ops.h"

namespace fovea {
namespace {

// Lists hold every implementation, best first; an entry is a candidate where supports() finds
// nothing against it.
const std::vector<const Implementation*> kCpu = {
    &kCpuWinogradConvolution,
    &kOnednnBf16Convolution,
    &kOnednnConvolution,
    &kOnednnDirectConvolution,
    &kOnednnBf16InnerProduct,
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

std::unique_ptr<RelevanceKernels> relevance_kernels(std::string_view device, Device& memory) {
  if (memory.host_memory()) return cpu::relevance_kernels(memory);
  return (device == "emulated" ? emulated_target() : cuda_target()).relevance(memory);
}

std::unique_ptr<SgdKernels> sgd_kernels(Device& memory, std::span<const SgdBlob> blobs) {
  if (memory.host_memory()) return nullptr;
  return (memory.name() == "emulated" ? emulated_target() : cuda_target()).sgd(memory, blobs);
}

double peak_flops(Device& memory, Precision precision) {
  if (memory.host_memory()) return cpu::measure_peak_flops();
  return memory.name() == "emulated" ? 0 : cuda_target().peak_flops(memory, precision);
}

std::vector<const Implementation*> implementations(std::string_view device, const OpParams& op) {
  (void)op;
  if (device == "cpu") return kCpu;
  if (device == "reference") return kReference;
  if (device == "emulated") return emulated_target().implementations;
  if (is_cuda(device)) return cuda_target().implementations;
  unknown_device(device);
}

std::vector<Precision> known_precisions(std::string_view device) {
  std::vector<Precision> known{Precision::kFp32};
  if (device == "emulated" || is_cuda(device)) known.push_back(Precision::kTf32);
  if (device != "reference" && (device != "cpu" || cpu::has_bf16()))
    known.push_back(Precision::kBf16);
  return known;
}

void require_precision(std::string_view device, Precision precision) {
  std::string names;
  for (const Precision known : known_precisions(device)) {
    if (known == precision) return;
    names += str(names.empty() ? "" : " | ", enum_name(known));
  }
  const bool lacks = device == "cpu" && precision == Precision::kBf16;
  throw Error(str("no precision ", enum_name(precision), " on device ", device,
                  lacks ? ": this processor has no avx512_bf16" : "", ", expected ", names));
}

ChosenOp create_op(std::string_view device, const OpProblem& problem, EngineChoice engine) {
  std::vector<const Implementation*> candidates = implementations(device, problem.params);
  if (engine == EngineChoice::kOwn)
    std::erase_if(candidates, [](auto* c) { return c->origin == Origin::kLibrary; });
  if (engine == EngineChoice::kLibrary)
    std::ranges::stable_partition(candidates,
                                  [](auto* c) { return c->origin == Origin::kLibrary; });
  std::string reasons;
  std::vector<const Implementation*> able;
  for (const Implementation* candidate : candidates) {
    const std::string reason = candidate->supports(problem);
    if (reason.empty()) able.push_back(candidate);
    if (!reason.empty()) reasons += str(reasons.empty() ? "" : "; ", candidate->name, ": ", reason);
    if (!able.empty() && engine != EngineChoice::kAuto) break;
  }
  // The plain loops are for checking; nothing that stands in front of them is slower.
  if (able.size() > 1 && able.back() == &kReferenceImplementation) able.pop_back();
  if (!able.empty()) {
    const Implementation* chosen = fastest(device, problem, able);
    return {chosen->create(problem), chosen->name};
  }
  throw Error(str("no implementation on device ", device, ": ", reasons));
}

}  // namespace fovea
