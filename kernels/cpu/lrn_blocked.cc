// LRN across channels in the blocked layouts, where a window reaches at most one block to either
// side: the window sum of a block is the sum of shifted concatenations of three vectors.
//
// Blocks are the outer loop and a strip of positions the inner one, so that memory is read in whole
// runs; what the neighbouring blocks are asked for (x^2, or dy y / S) waits in a ring of three
// strips in the first-level cache. Traffic: forward reads x, writes y and, in training, S; backward
// reads x, dy and S, writes dx.
#include <omp.h>

#include <array>
#include <utility>
#include <vector>

#include "kernels/cpu/implementations.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/vector.h"

namespace fovea {
namespace {

using namespace cpu;

constexpr std::int64_t kStrip = 32;  // positions worked on at a time

// The channels that lie `kShift` behind those of `middle`, of two neighbouring blocks.
template <std::int64_t kLanes, int kShift, std::size_t... kLane>
Vector<kLanes> shifted(const Vector<kLanes>& left, const Vector<kLanes>& right,
                       std::index_sequence<kLane...>) {
  return __builtin_shufflevector(left, right, (static_cast<int>(kLane) + kShift)...);
}

// sum over d = -kHalf..kHalf of the block moved by d channels.
template <std::int64_t kLanes, int kHalf>
Vector<kLanes> window_sum(const Vector<kLanes>& before, const Vector<kLanes>& middle,
                          const Vector<kLanes>& after) {
  constexpr auto kAll = std::make_index_sequence<kLanes>{};
  Vector<kLanes> sum = middle;
  [&]<std::size_t... kD>(std::index_sequence<kD...>) {
    ((sum += shifted<kLanes, static_cast<int>(kLanes - 1 - kD)>(before, middle, kAll) +
             shifted<kLanes, static_cast<int>(kD + 1)>(middle, after, kAll)),
     ...);
  }
  (std::make_index_sequence<kHalf>{});
  return sum;
}

// s^-beta; every net of the study has beta = 0.75, which is two square roots instead of a pow.
template <std::int64_t kLanes>
Vector<kLanes> negative_power(const Vector<kLanes>& s, float beta) {
  if (beta == 0.75F) {
    const Vector<kLanes> root = square_root<kLanes>(s);
    return 1.0F / (root * square_root<kLanes>(root));
  }
  Vector<kLanes> power;
  for (std::int64_t l = 0; l < kLanes; ++l) power[l] = std::pow(s[l], -beta);
  return power;
}

class BlockedLrn final : public Op {
 public:
  explicit BlockedLrn(const OpProblem& problem)
      : p_(std::get<LrnParams>(problem.params)),
        layout_(problem.bottom_layouts[0]),
        training_(problem.training),
        count_(static_cast<std::size_t>(storage_count(problem.bottoms[0], layout_))) {}

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] std::size_t state_bytes() const override {
    return training_ ? count_ * sizeof(float) : 0;
  }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }

  void forward(std::uint64_t) override {
    dispatch([&](auto lanes, auto half) { forward_in<lanes(), half()>(); });
  }
  void backward(std::uint64_t) override {
    if (!binding_.bottom_grads[0].data) return;
    dispatch([&](auto lanes, auto half) { backward_in<lanes(), half()>(); });
  }

 private:
  template <std::int64_t kLanes, int kHalf>
  void forward_in() const {
    const float* x = binding_.bottoms[0].data;
    float *y = binding_.tops[0].data,
          *scales = training_ ? reinterpret_cast<float*>(binding_.state) : nullptr;
    const float share = p_.alpha / static_cast<float>(p_.size);
    across_blocks<kLanes, kHalf>(
        [=](std::int64_t at, auto& asked, auto&) {
          const auto value = load<kLanes>(x + at);
          asked = value * value;
        },
        [=, this](std::int64_t at, const auto& sum, const auto&) {
          const Vector<kLanes> scale = p_.k + share * sum;
          if (scales) store(scale, scales + at);
          store(Vector<kLanes>(load<kLanes>(x + at) * negative_power<kLanes>(scale, p_.beta)),
                y + at);
        });
  }

  template <std::int64_t kLanes, int kHalf>
  void backward_in() const {
    const float *x = binding_.bottoms[0].data, *dy = binding_.top_grads[0].data,
                *scales = reinterpret_cast<const float*>(binding_.state);
    float* dx = binding_.bottom_grads[0].data;
    const float share = 2 * p_.alpha * p_.beta / static_cast<float>(p_.size);
    across_blocks<kLanes, kHalf>(
        [=, this](std::int64_t at, auto& asked, auto& kept) {
          const auto scale = load<kLanes>(scales + at);
          kept = negative_power<kLanes>(scale, p_.beta) * load<kLanes>(dy + at);
          asked = kept * load<kLanes>(x + at) / scale;
        },
        [=](std::int64_t at, const auto& sum, const auto& kept) {
          store(Vector<kLanes>(kept - share * load<kLanes>(x + at) * sum), dx + at);
        });
  }

  // For every vector of the tensor: ask(offset, asked, kept) first, then, when its neighbours were
  // asked too, answer(offset, window sum of asked, kept).
  template <std::int64_t kLanes, int kHalf, class Ask, class Answer>
  void across_blocks(Ask&& ask, Answer&& answer) const {
    const Lanes dims(binding_.bottoms[0]);
    const std::int64_t strips = (dims.positions + kStrip - 1) / kStrip;
#pragma omp parallel for schedule(static)
    for (std::int64_t task = 0; task < dims.images * strips; ++task) {
      using Strip = std::array<Vector<kLanes>, kStrip>;
      std::array<Strip, 3> asked{}, kept{};
      const std::int64_t first = task % strips * kStrip;
      const std::int64_t count = std::min(kStrip, dims.positions - first);
      for (std::int64_t b = 0; b <= dims.blocks; ++b) {
        const auto now = static_cast<std::size_t>(b % 3);
        const std::int64_t at = dims.plane(task / strips, b) + first * kLanes;
        if (b == dims.blocks) asked[now] = {};  // nothing behind the last block
        for (std::int64_t i = 0; b < dims.blocks && i < count; ++i) {
          const auto p = static_cast<std::size_t>(i);
          ask(at + i * kLanes, asked[now][p], kept[now][p]);
        }
        if (b == 0) continue;
        const auto middle = static_cast<std::size_t>((b + 2) % 3), before = 3 - now - middle;
        const std::int64_t behind = at - dims.positions * kLanes;
        for (std::int64_t i = 0; i < count; ++i) {
          const auto p = static_cast<std::size_t>(i);
          answer(behind + i * kLanes,
                 window_sum<kLanes, kHalf>(asked[before][p], asked[middle][p], asked[now][p]),
                 kept[middle][p]);
        }
      }
    }
  }

  template <class Body>
  void dispatch(Body&& body) const {
    const auto with_half = [&](auto lanes) {
      if (p_.size == 3) return body(lanes, std::integral_constant<int, 1>{});
      return body(lanes, std::integral_constant<int, 2>{});
    };
    if (layout_ == Layout::kBlocked16) return with_half(std::integral_constant<std::int64_t, 16>{});
    return with_half(std::integral_constant<std::int64_t, 8>{});
  }

  LrnParams p_;
  Layout layout_;
  bool training_;
  std::size_t count_;
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<LrnParams>(&problem.params);
  if (!params) return "another operation";
  if (params->region != LrnRegion::kAcrossChannels) return "normalises within a channel";
  if (!is_blocked(problem.bottom_layouts[0])) return "channels are not in blocks";
  if (params->size != 3 && params->size != 5) return "a window of other than 3 or 5 channels";
  // The padding of the last block has S = k and would divide by it.
  return params->k > 0 ? "" : "k is not positive";
}

}  // namespace

const Implementation kCpuBlockedLrn{"cpu:blocked_lrn", supports,
                                    [](const OpProblem& problem) -> std::unique_ptr<Op> {
                                      return std::make_unique<BlockedLrn>(problem);
                                    }};

}  // namespace fovea
