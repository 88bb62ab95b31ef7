// Winograd's minimal filtering F(2x2, 5x5) on channel vectors: 6x6 input tiles at a pitch of 2,
// with the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016, whose F(4x4, 3x3) has the
// same).
//
//   y = A^T [ (G g G^T) . (B^T d B) ] A          one tile: 36 products instead of 100
//
// The three one-dimensional forms below are the rows of those matrices written out.
#pragma once

#include <array>

#include "kernels/cpu/vector.h"

namespace fovea::cpu::winograd {

constexpr int kFilter = 5, kOutput = 2, kTile = 6, kPoints = kTile * kTile;

template <class V>
using Line = std::array<V, kTile>;

// B^T d.
struct Input {
  static constexpr int kIn = kTile, kOut = kTile;
  template <class V>
  static void apply(const Line<V>& d, Line<V>& t) {
    const V even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const V even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[1] = even + odd, t[2] = even - odd;
    t[3] = even2 + odd2, t[4] = even2 - odd2;
    t[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
};

// G g: the filter's polynomial at the six points.
struct Filter {
  static constexpr int kIn = kFilter, kOut = kTile;
  template <class V>
  static void apply(const Line<V>& g, Line<V>& u) {
    const V even = (g[0] + g[2] + g[4]) * (-1 / 6.0F), odd = (g[1] + g[3]) * (-1 / 6.0F);
    const V even2 = (g[0] + 4 * g[2] + 16 * g[4]) * (1 / 24.0F);
    const V odd2 = (g[1] + 4 * g[3]) * (1 / 12.0F);
    u[0] = g[0] * 0.25F;
    u[1] = even + odd, u[2] = even - odd;
    u[3] = even2 + odd2, u[4] = even2 - odd2;
    u[5] = g[4];
  }
};

// A^T m.
struct Output {
  static constexpr int kIn = kTile, kOut = kOutput;
  template <class V>
  static void apply(const Line<V>& m, Line<V>& y) {
    y[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    y[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]) + m[5];
  }
};

// Form applied to columns, then rows: read(i, j) gives the kIn x kIn operand, write(i, j, value)
// takes the kOut x kOut result.
template <class Form, std::int64_t kLanes, class Read, class Write>
inline void transform(Read&& read, Write&& write) {
  using V = Vector<kLanes>;
  std::array<Line<V>, Form::kIn> columns;  // [j][i]
  for (int j = 0; j < Form::kIn; ++j) {
    Line<V> in;
    for (int i = 0; i < Form::kIn; ++i) in[i] = read(i, j);
    Form::apply(in, columns[j]);
  }
  for (int i = 0; i < Form::kOut; ++i) {
    Line<V> in, out;
    for (int j = 0; j < Form::kIn; ++j) in[j] = columns[j][i];
    Form::apply(in, out);
    for (int j = 0; j < Form::kOut; ++j) write(i, j, out[j]);
  }
}

}  // namespace fovea::cpu::winograd
