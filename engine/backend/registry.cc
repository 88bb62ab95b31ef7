#include "engine/backend/registry.h"

#include <algorithm>

#include "engine/core/fields.h"
#include "kernels/cpu/implementations.h"
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

}  // namespace

std::vector<std::string_view> known_devices() { return {"cpu", "reference"}; }

std::vector<const Implementation*> implementations(std::string_view device, const OpParams& op) {
  (void)op;
  if (device == "cpu") return kCpu;
  if (device == "reference") return kReference;
  throw Error(str("unknown device: '", device, "', expected cpu | reference"));
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
