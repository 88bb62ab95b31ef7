// One operation of a net, created once for its shapes and executed many times.
//
// An implementation says with supports() whether it takes a problem and why not; the registry
// (engine/backend/registry.cc) holds ordered lists, best first, reference last.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/core/shape.h"
#include "kernels/ops/convolution.h"
#include "kernels/ops/device.h"
#include "kernels/ops/inner_product.h"
#include "kernels/ops/layout.h"
#include "kernels/ops/lrn.h"
#include "kernels/ops/pooling.h"
#include "kernels/ops/precision.h"
#include "kernels/ops/simple.h"

namespace fovea {

using OpParams = std::variant<ConvolutionParams, InnerProductParams, PoolingParams, LrnParams,
                              ReluParams, DropoutParams, ConcatParams, SplitParams, SoftmaxParams,
                              SoftmaxLossParams, AccuracyParams>;

// What an implementation is asked to do. A convolution with several tops: kernels/ops/siblings.h.
struct OpProblem {
  OpParams params;
  std::vector<Shape> bottoms, tops;
  std::vector<Layout> bottom_layouts;  // as the producers deliver them
  std::vector<bool> propagate;         // per bottom: backward must write its gradient
  bool training = false;               // dropout draws; backward will be called
  bool fused_relu =
      false;  // convolution, inner product: y = relu(...), and backward masks dy by y > 0
  float relu_slope = 0;
  // Sums of zeros must come out as zero: relevance divides by sums, and treats zero apart. Forbids
  // implementations that add up to zero only within rounding (Winograd's convolution).
  bool exact_zeros = false;
  Precision precision = Precision::kFp32;  // coarser is allowed, not demanded
  std::uint64_t seed = 0;
  std::uint64_t layer = 0;  // index for RandomPurpose::kDropout
};

// A tensor in some layout; null data = absent (a gradient nobody asked for).
struct OpTensor {
  float* data = nullptr;
  Shape shape;
  Layout layout = Layout::kPlain;
  // Floats from one image to the next in a slice of the channels of a larger tensor, where pixels
  // of a channels-last one lie pitch / (H W) apart; 0 = images lie one behind the other. Only
  // operations that took the slice (Op::take_value_slice) meet one.
  std::int64_t pitch = 0;

  // Floats of one image, and from one image to the next.
  [[nodiscard]] std::int64_t image_size() const { return storage_count(shape, layout) / shape.n(); }
  [[nodiscard]] std::int64_t image_pitch() const { return pitch > 0 ? pitch : image_size(); }
};

// Everything a run touches; pointers are bound once, after planning, and stay.
struct OpBinding {
  Device* device = nullptr;  // whose memory all of this is; operations on the host need none
  const StepCounters* counters = nullptr;  // in it, for operations that a recording repeats
  std::vector<OpTensor> bottoms, tops;     // values
  std::vector<OpTensor> bottom_grads,
      top_grads;  // backward overwrites bottom_grads; it may overwrite top_grads too
  // In the op's own parameter layout; backward overwrites param_grads and leaves out the null ones.
  std::vector<float*> params, param_grads;
  std::byte* state = nullptr;    // from forward to backward: argmax, masks; state_bytes()
  std::byte* scratch = nullptr;  // free between calls; scratch_bytes()
};

class Op {
 public:
  virtual ~Op() = default;

  // Layouts that the op reads and writes; gradients have the layout of their tensor.
  [[nodiscard]] virtual Layout bottom_layout(std::size_t i) const = 0;
  [[nodiscard]] virtual Layout top_layout(std::size_t i) const = 0;

  // Parameters (weights, then bias) in the op's own layout: storage in floats, and conversion from
  // and to Caffe's plain order, both in the host's memory. Gradients and solver history share the
  // layout; padding in it stays zero under elementwise updates.
  [[nodiscard]] virtual std::int64_t param_storage(std::size_t) const { return 0; }
  virtual void pack_param(std::size_t, const float* /*plain*/, float* /*packed*/) const {}
  virtual void unpack_param(std::size_t, const float* /*packed*/, float* /*plain*/) const {}

  [[nodiscard]] virtual std::size_t state_bytes() const { return 0; }
  [[nodiscard]] virtual std::size_t scratch_bytes() const { return 0; }

  // What backward reads; the planner keeps the rest only as long as forward needs it.
  [[nodiscard]] virtual bool backward_reads_bottoms() const { return true; }
  [[nodiscard]] virtual bool backward_reads_tops() const { return true; }
  // Top 0 may share memory with bottom 0 (and their gradients likewise).
  [[nodiscard]] virtual bool in_place() const { return false; }
  // Tops are the bottom's own memory: forward does nothing (split, dropout at test time).
  [[nodiscard]] virtual bool is_alias() const { return false; }
  // Asked once per top, before scratch_bytes() and bind(): yes = the op will write that top's value
  // (read its gradient) in a slice of the channels of a larger tensor, for which it may prepare
  // itself. Single images ask only where channels come last: else a slice is like any other tensor.
  [[nodiscard]] virtual bool take_value_slice(std::size_t /*top*/) { return false; }
  [[nodiscard]] virtual bool take_gradient_slice(std::size_t /*top*/) { return false; }
  // Bottoms lie side by side in top 0 along the channels, gradients likewise, and one that is
  // already bound to its slice there costs nothing (concat).
  [[nodiscard]] virtual bool joins_slices() const { return false; }

  virtual void bind(const OpBinding& binding) { binding_ = binding; }
  // Once after the parameters changed outside of training (loading): derive what forward wants to
  // have ready.
  virtual void params_changed() {}
  // `iteration` keys dropout; operations on a device take it from the bound counters instead.
  virtual void forward(std::uint64_t iteration) = 0;
  virtual void backward(std::uint64_t iteration) = 0;

 protected:
  OpBinding binding_;
};

enum class Origin : std::uint8_t { kOwn, kLibrary };  // whose code computes

struct Implementation {
  std::string_view name;                      // "onednn:convolution"
  std::string (*supports)(const OpProblem&);  // "" = yes, else the reason why not
  std::unique_ptr<Op> (*create)(const OpProblem&);
  Origin origin = Origin::kOwn;
};

}  // namespace fovea
