#include "engine/relevance/numerics.h"

#include <cmath>

#include "engine/backend/transfer.h"
#include "engine/relevance/step.h"

namespace fovea {
namespace {

constexpr double kBlowUp = 1000;
constexpr float kNearZero = 1e-6F;

// "unit (c, h, w)" of a plain index within one image.
std::string unit_name(const Shape& shape, std::int64_t index) {
  const std::int64_t positions = shape.h() * shape.w();
  if (positions == 1) return str("unit ", index);
  return str("unit (", index / positions, ", ", index % positions / shape.w(), ", ",
             index % shape.w(), ")");
}

// The first element of image n that is not finite, as a plain index within the image; -1: none.
std::int64_t first_not_finite(const Tensor<float>& r, std::int64_t n) {
  const std::int64_t size = r.shape.count_from(1);
  for (std::int64_t i = 0; i < size; ++i) {
    if (!std::isfinite(r.values[static_cast<std::size_t>(n * size + i)])) return i;
  }
  return -1;
}

std::string not_finite(const std::string& layer, Device& device,
                       const std::vector<OpTensor>& bottoms, std::int64_t n) {
  for (const OpTensor& bottom : bottoms) {
    const std::int64_t unit = first_not_finite(download_plain(device, bottom), n);
    if (unit >= 0)
      return str("image ", n, ", layer ", layer, ": relevance is not finite, first at ",
                 unit_name(bottom.shape, unit), " of its input");
  }
  return str("image ", n, ", layer ", layer, ": the sum of relevance is not finite");
}

bool near_zero(const StepSums& s) { return s.absorbed.weakest < kNearZero * s.absorbed.strongest; }
bool blew_up(const StepSums& s) { return s.bottoms.magnitude > kBlowUp * s.tops.magnitude; }

}  // namespace

// A step whose top is not finite was looked at above.
bool looks_wrong(const StepSums& s) {
  return !std::isfinite(s.tops.magnitude) || !std::isfinite(s.bottoms.magnitude) || near_zero(s) ||
         blew_up(s);
}

std::vector<std::string> step_warnings(const std::string& layer, Device& device,
                                       const RelevanceStep& step,
                                       const std::vector<OpTensor>& bottoms, const OpTensor& top,
                                       std::span<const StepSums> sums) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto n = static_cast<std::int64_t>(i);
    const StepSums& s = sums[i];
    if (!std::isfinite(s.tops.magnitude)) continue;  // said above
    if (near_zero(s)) {
      lines.push_back(str("image ", n, ", layer ", layer, ": a denominator of ", s.absorbed.weakest,
                          " beside ", s.absorbed.strongest, ", at ",
                          unit_name(top.shape, step.weakest_unit(n)), " of its output"));
    }
    if (!std::isfinite(s.bottoms.magnitude)) {
      lines.push_back(not_finite(layer, device, bottoms, n));
    } else if (blew_up(s)) {
      lines.push_back(str("image ", n, ", layer ", layer, ": the magnitude of relevance grew from ",
                          s.tops.magnitude, " to ", s.bottoms.magnitude));
    }
  }
  return lines;
}

}  // namespace fovea
