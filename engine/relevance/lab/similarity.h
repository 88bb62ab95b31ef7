// How alike two relevance maps are, for the randomisation tests.
#pragma once

#include <span>

namespace fovea::lab {

// Pearson's correlation; 0 where one of the two is constant.
[[nodiscard]] double correlation(std::span<const float> a, std::span<const float> b);

// Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank.
[[nodiscard]] double rank_correlation(std::span<const float> a, std::span<const float> b);

// Mean structural similarity of two maps (H, W), each divided by its largest magnitude first, so
// that L = 2 is the range of values:
//   (2 m_a m_b + c1) (2 s_ab + c2) / ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2)),
//   c1 = (0.01 L)^2, c2 = (0.03 L)^2
// with means, variances and covariance under a Gaussian window (sigma 1.5, radius 5) that is cut
// off and renormalised at the edges; mean over all pixels.     Wang et al. 2004, eq. 13
[[nodiscard]] double structural_similarity(std::span<const float> a, std::span<const float> b,
                                           int width);

}  // namespace fovea::lab
