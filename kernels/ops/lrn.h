// Local response normalisation, x and y (N,C,H,W).
// Across channels (n = size, half = (n-1)/2):
//   S_c = k + alpha/n * sum_{|c'-c| <= half} x_c'^2      y_c = x_c * S_c^-beta
//   dx_c = S_c^-beta dy_c - 2 alpha beta / n * x_c * sum_{|c'-c| <= half} dy_c' y_c' / S_c'
// Within a channel: y = x * (1 + alpha * avg(x^2 over n x n))^-beta, avg as average pooling with
// pad (n-1)/2,
//   whose divisor counts padding; k is ignored.                            Caffe lrn_layer.cpp.
#pragma once

#include "engine/core/fields.h"
#include "engine/core/shape.h"

namespace fovea {

enum class LrnRegion { kAcrossChannels, kWithinChannel };
template <>
inline constexpr EnumTable<LrnRegion, 2> enum_names<LrnRegion>{
    {{"across_channels", LrnRegion::kAcrossChannels},
     {"within_channel", LrnRegion::kWithinChannel}}};

struct LrnParams {
  std::int64_t size = 5;
  float alpha = 1, beta = 0.75F, k = 1;
  LrnRegion region = LrnRegion::kAcrossChannels;

  bool operator==(const LrnParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("size", p.size), v("alpha", p.alpha), v("beta", p.beta), v("k", p.k), v("region", p.region);
  }
};

}  // namespace fovea
