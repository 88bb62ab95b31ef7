#include "engine/backend/registry.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>

#include "engine/backend/autotune.h"
#include "engine/backend/host_device.h"
#include "engine/core/fields.h"
#include "kernels/cpu/implementations.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/peak.h"
#include "kernels/cpu/relevance.h"
#include "kernels/cuda/implementations.h"
#include "kernels/cudnn/implementations.h"
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

// "name" or "name:N".
bool is_a(std::string_view device, std::string_view name) {
  return device.starts_with(name) && (device.size() == name.size() || device[name.size()] == ':');
}
bool is_cudnn(std::string_view device) { return is_a(device, "cudnn"); }
bool is_gpu(std::string_view device) { return is_a(device, "cuda") || is_cudnn(device); }

// N of "cuda:N" or "cudnn:N"; 0 without one.
int gpu_index(std::string_view device) {
  const std::size_t colon = device.find(':');
  if (colon == std::string_view::npos) return 0;
  int index = -1;
  const char* end = device.data() + device.size();
  const auto parsed = std::from_chars(device.data() + colon + 1, end, index);
  const std::string_view name = device.substr(0, colon);
  require(parsed.ec == std::errc{} && parsed.ptr == end && index >= 0, "wrong device: '", device,
          "', expected ", name, " or ", name, ":N");
  return index;
}

// cuDNN's and cuBLAS's operations in front of our own.
std::vector<const Implementation*> with_library() {
  std::vector<const Implementation*> both = cudnn::offer().implementations;
  const auto& own = cuda_target().implementations;
  both.insert(both.end(), own.begin(), own.end());
  return both;
}

[[noreturn]] void unknown_device(std::string_view device) {
  throw Error(str("unknown device: '", device,
                  "', expected cpu | reference | emulated | cuda[:N] | cudnn[:N]"));
}

}  // namespace

std::string missing_device(std::string_view device) {
  static std::map<std::string, std::string, std::less<>> known;
  if (const auto found = known.find(device); found != known.end()) return found->second;
  std::string reason;
  try {
    (void)open_device(device);
  } catch (const Error& error) {
    reason = error.what();
  }
  return known[std::string(device)] = reason;
}

std::vector<std::string_view> known_devices() {
  std::vector<std::string_view> devices;
  std::ranges::copy_if(kAllDevices, std::back_inserter(devices),
                       [](std::string_view device) { return missing_device(device).empty(); });
  return devices;
}

std::string library_version(std::string_view device) {
  return is_cudnn(device) ? cudnn::offer().version : "";
}

int gpu_count() { return cuda_target().device_count ? cuda_target().device_count() : 0; }
std::string gpu_unit(Device& memory) {
  return is_gpu(memory.name()) ? cuda_target().unit(memory) : "";
}

std::shared_ptr<Device> open_device(std::string_view device) {
  if (device == "cpu" || device == "reference") return open_host_device();
  if (device == "emulated") {
    require(emulated_target().open,
            "no device emulated: built without Boost.Context, expected cpu");
    return emulated_target().open(0);
  }
  if (!is_gpu(device)) unknown_device(device);
  const int index = gpu_index(device);
  require(cuda_target().open, "no device ", device,
          ": this build has no CUDA kernels (no nvcc when it was configured), expected cpu | "
          "emulated | reference");
  if (is_cudnn(device)) {
    const cudnn::Offer offer = cudnn::offer();
    require(offer.missing.empty(), "no device ", device, ": ", offer.missing);
    const std::string no_gpu = missing_device(str("cuda:", index));
    require(no_gpu.empty(), "no device ", device, ": ", offer.version, ", but ", no_gpu);
  }
  return cuda_target().open(index);
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
  if (is_cudnn(device)) return with_library();
  if (is_gpu(device)) return cuda_target().implementations;
  unknown_device(device);
}

std::vector<Precision> known_precisions(std::string_view device) {
  std::vector<Precision> known{Precision::kFp32};
  if (device == "emulated" || is_gpu(device)) known.push_back(Precision::kTf32);
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

namespace {

// A GPU's default is the same on every machine, whatever libraries it has: they join for the
// engines that ask for one.
std::vector<const Implementation*> candidates_of(std::string_view device, const OpProblem& problem,
                                                 EngineChoice engine) {
  const bool asks = engine == EngineChoice::kLibrary || engine == EngineChoice::kAuto;
  if (!asks || !is_gpu(device)) return implementations(device, problem.params);
  const std::string missing = cudnn::offer().missing;
  require(engine == EngineChoice::kAuto || missing.empty(), "no library for device ", device, ": ",
          missing);
  return with_library();
}

}  // namespace

ChosenOp create_op(std::string_view device, const OpProblem& problem, EngineChoice engine) {
  std::vector<const Implementation*> candidates = candidates_of(device, problem, engine);
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
    const Implementation* chosen = able[0];
    if (able.size() > 1)
      chosen = fastest({device, library_version(is_gpu(device) ? "cudnn" : device)}, problem, able);
    return {chosen->create(problem), chosen->name};
  }
  throw Error(str("no implementation on device ", device, ": ", reasons));
}

std::optional<ChosenOp> create_siblings(std::string_view device, const OpProblem& problem,
                                        EngineChoice engine) {
  if (engine == EngineChoice::kLibrary || engine == EngineChoice::kAuto) return std::nullopt;
  const bool own_kernels = device == "emulated" || is_a(device, "cuda");
  if (!own_kernels) return std::nullopt;
  const Target& target = device == "emulated" ? emulated_target() : cuda_target();
  for (const Implementation* candidate : target.siblings) {
    if (candidate->supports(problem).empty())
      return ChosenOp{candidate->create(problem), candidate->name};
  }
  return std::nullopt;
}

}  // namespace fovea
