// S = R / stab(Z) for all groups of a rule, in place, with the sums of what does not get through.
// Traffic: R and every Z read once, every S written once.
//
// A plane of one channel block is walked in rows of `width` floats: the lanes of a block, or 16
// positions of one channel where a block is one channel. Accumulators are a row wide, so that the
// loop over a row has no dependence; they are summed at the end of the plane.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/relevance.h"

namespace fovea::cpu {
namespace {

constexpr std::int64_t kRow = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Blocks of the layer; (N, K) counts as one block of K lanes.
Lanes blocks_of(const OpTensor& r) {
  Lanes dims(r);
  if (r.shape.rank() == 2) dims.lanes = dims.channels, dims.blocks = 1;
  return dims;
}

float* plane_of(const QuotientGroup& group, const Lanes& dims, std::int64_t n, std::int64_t block) {
  const std::int64_t place = block / group.run * group.stride + block % group.run;
  return group.data + n * group.image_size + place * dims.positions * dims.lanes;
}

struct Row {
  std::vector<double> total, lost;
  std::vector<float> weakest, strongest;
  explicit Row(std::int64_t width)
      : total(static_cast<std::size_t>(width)),
        lost(total.size()),
        weakest(total.size(), kInfinity),
        strongest(total.size()) {}
};

template <Stabilizer kKind>
constexpr bool kMixedSigns = kKind == Stabilizer::kEpsilon || kKind == Stabilizer::kRelative ||
                             kKind == Stabilizer::kTinyToR;

// Where a gate is shut Z is 0, and R does not count.
template <Stabilizer kKind, bool kGated>
inline void divide_row(const float* r, float* z, float coefficient, float epsilon,
                       std::int64_t count, Row& row) {
  double *total = row.total.data(), *lost = row.lost.data();
  float *weakest = row.weakest.data(), *strongest = row.strongest.data();
#pragma omp simd
  for (std::int64_t l = 0; l < count; ++l) {
    const float Z = z[l], R = kGated && Z == 0 ? 0.0F : r[l];
    const float S = coefficient * stabilized_quotient(kKind, R, Z, epsilon);
    total[l] += static_cast<double>(S);
    if constexpr (kKind != Stabilizer::kUndivided) {  // which has no Z
      lost[l] += static_cast<double>(coefficient) * static_cast<double>(R) -
                 static_cast<double>(S) * static_cast<double>(Z);
    }
    if constexpr (kMixedSigns<kKind>) {
      const float magnitude = std::fabs(Z), denominator = R == 0 ? kInfinity : magnitude + epsilon;
      weakest[l] = std::min(weakest[l], denominator);
      strongest[l] = std::max(strongest[l], magnitude);
    }
    z[l] = S;
  }
}

template <Stabilizer kKind, bool kGated>
void divide_plane(const float* r, float* z, std::int64_t size, float coefficient, float epsilon,
                  std::int64_t width, Row& row) {
  std::int64_t at = 0;
  if (width == kRow) {
    for (; at + kRow <= size; at += kRow)
      divide_row<kKind, kGated>(r + at, z + at, coefficient, epsilon, kRow, row);
  }
  for (; at < size; at += width)
    divide_row<kKind, kGated>(r + at, z + at, coefficient, epsilon, std::min(width, size - at),
                              row);
}

// The sums of a row belong to the channels of its block, one by one or all to the same.
AbsorbedSums summed(const Row& row, const QuotientGroup& group, std::int64_t channel,
                    std::int64_t lanes) {
  AbsorbedSums sums;
  const auto of_channel = [](std::span<const float> values, std::int64_t c) {
    return c < std::ssize(values) ? static_cast<double>(values[static_cast<std::size_t>(c)]) : 0.0;
  };
  for (std::size_t l = 0; l < row.total.size(); ++l) {
    const std::int64_t c = channel + (lanes == 1 ? 0 : static_cast<std::int64_t>(l));
    sums.bias += row.total[l] * of_channel(group.bias, c);
    sums.padding += row.total[l] * of_channel(group.taps, c);
    sums.epsilon += row.lost[l];
    sums.weakest = std::min(sums.weakest, row.weakest[l]);
    sums.strongest = std::max(sums.strongest, row.strongest[l]);
  }
  return sums;
}

// Z = 0 where the gate is shut: group 0 serves Z_0 + Z_1 > 0, group 1 the opposite.
void shut_gates(std::span<const QuotientGroup> groups, const Lanes& dims) {
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < dims.images * dims.blocks; ++task) {
    float* z0 = plane_of(groups[0], dims, task / dims.blocks, task % dims.blocks);
    float* z1 = plane_of(groups[1], dims, task / dims.blocks, task % dims.blocks);
#pragma omp simd
    for (std::int64_t i = 0; i < dims.positions * dims.lanes; ++i) {
      const float z = z0[i] + z1[i];
      z0[i] = z > 0 ? z0[i] : 0;
      z1[i] = z < 0 ? z1[i] : 0;
    }
  }
}

// The root of the image's mean of Z^2 (channel padding is zero and does not count).
float root_mean_square(const QuotientGroup& group, const Lanes& dims, std::int64_t n) {
  double squares = 0;
  for (std::int64_t block = 0; block < dims.blocks; ++block) {
    const float* z = plane_of(group, dims, n, block);
    for (std::int64_t i = 0; i < dims.positions * dims.lanes; ++i)
      squares += static_cast<double>(z[i]) * static_cast<double>(z[i]);
  }
  return static_cast<float>(
      std::sqrt(squares / static_cast<double>(dims.channels * dims.positions)));
}

template <Stabilizer kKind, bool kGated>
void divide_group(const RelevanceRule& rule, const QuotientGroup& group, const OpTensor& r,
                  std::span<AbsorbedSums> absorbed) {
  const Lanes dims = blocks_of(r);
  const std::int64_t size = dims.positions * dims.lanes,
                     width = dims.lanes == 1 ? kRow : dims.lanes;
  std::vector<float> epsilon(static_cast<std::size_t>(dims.images), rule.epsilon);
  if constexpr (kKind == Stabilizer::kRelative) {
    for (std::size_t n = 0; n < epsilon.size(); ++n)
      epsilon[n] *= root_mean_square(group, dims, static_cast<std::int64_t>(n));
  }
  std::vector<AbsorbedSums> sums(static_cast<std::size_t>(dims.images * dims.blocks));
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < dims.images * dims.blocks; ++task) {
    const std::int64_t n = task / dims.blocks, block = task % dims.blocks;
    Row row(width);
    divide_plane<kKind, kGated>(r.data + dims.plane(n, block), plane_of(group, dims, n, block),
                                size, group.coefficient, epsilon[static_cast<std::size_t>(n)],
                                width, row);
    sums[static_cast<std::size_t>(task)] = summed(row, group, block * dims.lanes, dims.lanes);
  }
  for (std::size_t task = 0; task < sums.size(); ++task)
    absorbed[task / static_cast<std::size_t>(dims.blocks)] += sums[task];
}

template <Stabilizer kKind>
void divide_groups(const RelevanceRule& rule, std::span<const QuotientGroup> groups,
                   const OpTensor& r, std::span<AbsorbedSums> absorbed) {
  for (const QuotientGroup& group : groups) {
    if (rule.gate == Gate::kSign) {
      divide_group<kKind, true>(rule, group, r, absorbed);
    } else {
      divide_group<kKind, false>(rule, group, r, absorbed);
    }
  }
}

}  // namespace

void divide(const RelevanceRule& rule, std::span<const QuotientGroup> groups, const OpTensor& r,
            std::span<AbsorbedSums> absorbed) {
  if (rule.gate == Gate::kSign) shut_gates(groups, blocks_of(r));
  switch (rule.stabilizer) {
    case Stabilizer::kEpsilon:
      return divide_groups<Stabilizer::kEpsilon>(rule, groups, r, absorbed);
    case Stabilizer::kRelative:
      return divide_groups<Stabilizer::kRelative>(rule, groups, r, absorbed);
    case Stabilizer::kZeroToZero:
      return divide_groups<Stabilizer::kZeroToZero>(rule, groups, r, absorbed);
    case Stabilizer::kTinyToR:
      return divide_groups<Stabilizer::kTinyToR>(rule, groups, r, absorbed);
    case Stabilizer::kUndivided:
      return divide_groups<Stabilizer::kUndivided>(rule, groups, r, absorbed);
  }
}

void complete_sums(const OpTensor& y, const OpTensor& negative,
                   std::span<const QuotientGroup> groups) {
  const Lanes dims = blocks_of(y);
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < dims.images * dims.blocks; ++task) {
    const std::int64_t n = task / dims.blocks, block = task % dims.blocks;
    const float *value = y.data + dims.plane(n, block), *sum = negative.data + dims.plane(n, block);
    float *z0 = plane_of(groups[0], dims, n, block), *z1 = plane_of(groups[1], dims, n, block);
#pragma omp simd
    for (std::int64_t i = 0; i < dims.positions * dims.lanes; ++i) {
      z0[i] = value[i] - sum[i];
      z1[i] = sum[i];
    }
  }
}

std::int64_t weakest_unit(const QuotientGroup& group, const OpTensor& r, std::int64_t n) {
  const Lanes dims = blocks_of(r);
  std::int64_t unit = -1;
  double largest = -1;
  for (std::int64_t block = 0; block < dims.blocks; ++block) {
    const float *relevance = r.data + dims.plane(n, block), *s = plane_of(group, dims, n, block);
    for (std::int64_t i = 0; i < dims.positions * dims.lanes; ++i) {
      if (relevance[i] == 0) continue;
      const double gain = std::abs(static_cast<double>(s[i]) / static_cast<double>(relevance[i]));
      if (!(gain <= largest))
        largest = gain,
        unit = (block * dims.lanes + i % dims.lanes) * dims.positions + i / dims.lanes;
    }
  }
  return unit;
}

}  // namespace fovea::cpu
