// Operations whose parameters fit a line each.
//
// ReLU: y = max(x,0) + slope * min(x,0); dx = dy * (x > 0 ? 1 : slope).
// Dropout (training): y = x * m / (1 - ratio), m = 1 with probability 1 - ratio; else y = x.
//   m of element i (row-major, logical index) is random_uniform({seed, kDropout, iteration * 4096 +
//   layer}, i) >= ratio.
// Concat: tops are bottoms side by side along `axis`.       Split: every top is the bottom; dx =
// sum of the tops' dy. Softmax: y = exp(x - max) / sum over the channel axis, for every (n,h,w).
#pragma once

#include <vector>

#include "engine/core/fields.h"
#include "engine/core/shape.h"

namespace fovea {

struct ReluParams {
  float slope = 0;
  bool operator==(const ReluParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("slope", p.slope);
  }
};

struct DropoutParams {
  float ratio = 0.5F;
  bool operator==(const DropoutParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("ratio", p.ratio);
  }
};

struct ConcatParams {
  int axis = 1;
  bool operator==(const ConcatParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("axis", p.axis);
  }
};

struct SplitParams {
  bool operator==(const SplitParams&) const = default;
  template <class Self, class V>
  static void visit(Self&, V&&) {}
};

struct SoftmaxParams {
  bool operator==(const SoftmaxParams&) const = default;
  template <class Self, class V>
  static void visit(Self&, V&&) {}
};

// loss = -sum over (n,h,w) of w[label] sum_c q_c log(max(p_c, FLT_MIN)) / count, p = softmax of
// bottom 0 over channels, labels = bottom 1;
//   count = sum of w[label] over the labels that are not ignored (normalize) or N. Top: the
//   unweighted loss, a scalar. dx = w[label] (p - q) * loss_weight / count, 0 where ignored. The
//   clamp acts in the forward pass only.
// Targets: q = (1 - label_smoothing) t + label_smoothing / C (Szegedy et al. 2016), t_c = 1 for the
// label alone, or with ordinal_sigma > 0 proportional to exp(-(c - label)^2 / (2 ordinal_sigma^2)),
// of sum 1: neighbouring classes of an ordered scale are nearly right (Diaz & Marathe 2019).
// w = class_weights, one per class, or 1 where there are none. The defaults are Caffe's
// SoftmaxWithLoss.
struct SoftmaxLossParams {
  float loss_weight = 1;
  bool has_ignore_label = false;
  int ignore_label = 0;
  bool normalize = true;
  std::vector<float> class_weights;
  float label_smoothing = 0, ordinal_sigma = 0;
  bool operator==(const SoftmaxLossParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("loss_weight", p.loss_weight), v("has_ignore_label", p.has_ignore_label),
        v("ignore_label", p.ignore_label);
    v("normalize", p.normalize), v("class_weights", p.class_weights),
        v("label_smoothing", p.label_smoothing), v("ordinal_sigma", p.ordinal_sigma);
  }
};

// Share of labels (bottom 1) among the `top_k` largest of bottom 0; (score, index) pairs are ranked
// descending, so among equal scores the larger index ranks first. Ignored labels are not counted.
// Top 0: scalar; top 1 (optional): per class (C).
struct AccuracyParams {
  int top_k = 1;
  bool has_ignore_label = false;
  int ignore_label = 0;
  bool operator==(const AccuracyParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("top_k", p.top_k), v("has_ignore_label", p.has_ignore_label),
        v("ignore_label", p.ignore_label);
  }
};

}  // namespace fovea
