#include "kernels/reference/accuracy.h"

#include "kernels/reference/labels.h"

namespace fovea::reference {
namespace {

// Share of hits among the counted labels of class `only`, or of all classes when it is -1.
double share(const AccuracyParams& params, Input scores, Input labels, std::int64_t only) {
  const std::int64_t positions = scores.shape.h() * scores.shape.w(), classes = scores.shape.c();
  std::int64_t counted = 0, hits = 0;
  for (std::int64_t i = 0; i < scores.shape.n() * positions; ++i) {
    const std::int64_t label =
        label_at(labels, i, classes, params.has_ignore_label, params.ignore_label);
    if (label < 0 || (only >= 0 && label != only)) continue;
    const std::int64_t n = i / positions, position = i % positions;
    const double own = scores(n, label, 0, position);
    std::int64_t rank = 0;  // (score, index) pairs larger than the label's
    for (std::int64_t c = 0; c < classes; ++c) {
      const double score = scores(n, c, 0, position);
      if (score > own || (score == own && c > label)) ++rank;
    }
    ++counted, hits += rank < params.top_k ? 1 : 0;
  }
  return counted == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(counted);
}

}  // namespace

void accuracy(const AccuracyParams& params, Input scores, Input labels, Output accuracy,
              Output per_class) {
  accuracy[0] = share(params, scores, labels, -1);
  if (!per_class.data) return;
  for (std::int64_t c = 0; c < scores.shape.c(); ++c) {
    per_class[c] = share(params, scores, labels, c);
  }
}

}  // namespace fovea::reference
