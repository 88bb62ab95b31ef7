#include "kernels/reference/transform.h"

namespace fovea::reference {

std::vector<double> transform(const TransformProblem& t) {
  const std::int64_t C = t.image[0], H = t.image[1], W = t.image[2], P = t.y.shape.h(),
                     Q = t.y.shape.w();
  std::vector<double> y;
  for (std::int64_t n = 0; n < t.y.shape.n(); ++n) {
    const TransformWindow& window = t.windows[n];
    for (std::int64_t c = 0; c < C; ++c) {
      const std::int64_t from = t.swap_channels ? C - 1 - c : c;
      for (std::int64_t p = 0; p < P; ++p) {
        for (std::int64_t q = 0; q < Q; ++q) {
          const std::int64_t h = window.top + p,
                             w = window.left + (window.mirror != 0 ? Q - 1 - q : q);
          const double x = t.x[((window.image * C + from) * H + h) * W + w];
          const double m = t.mean_kind == TransformMean::kImage      ? t.mean[(c * H + h) * W + w]
                           : t.mean_kind == TransformMean::kChannels ? t.mean[c]
                                                                     : t.mean[0];
          y.push_back((x - m) * static_cast<double>(t.scale));
        }
      }
    }
  }
  return y;
}

}  // namespace fovea::reference
