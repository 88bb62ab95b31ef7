// The reference operations as executor operations: any problem, plain layouts, parameters in
// Caffe's plain order. Values are converted from float to double and back around every call.
#pragma once

#include <memory>

#include "kernels/ops/op.h"

namespace fovea {

[[nodiscard]] std::unique_ptr<Op> create_reference_op(const OpProblem& problem);

// "reference"; supports everything.
extern const Implementation kReferenceImplementation;

}  // namespace fovea
