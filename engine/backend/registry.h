// The explicit table of implementations: per device and operation an ordered list, best first,
// reference last.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/backend/engine_choice.h"
#include "kernels/ops/op.h"

namespace fovea {

// Devices that this build knows: "cpu", "reference".
[[nodiscard]] std::vector<std::string_view> known_devices();

// Candidates for `op` on `device`, best first. An unknown device is an Error that lists the known
// ones.
[[nodiscard]] std::vector<const Implementation*> implementations(std::string_view device,
                                                                 const OpParams& op);

struct ChosenOp {
  std::unique_ptr<Op> op;
  std::string_view implementation;
};

// The candidate of the engine's choice that supports the problem. Error with every candidate's
// reason when none does.
[[nodiscard]] ChosenOp create_op(std::string_view device, const OpProblem& problem,
                                 EngineChoice engine = EngineChoice::kOrdered);

}  // namespace fovea
