// The three passes of a linear layer as implicit matrix products (gemm_operands.cuh); T: what the
// operands are stored in.
//   forward           y(npq, k)  = sum over (rs, c) of x(npq + rs, c) w(k, rs, c)
//   backward, data    dx(nhw, c) = sum over (rs, k) of dy(nhw - rs, k) w(k, rs, c)
//   backward, weights dw(k, rsc) = sum over npq of dy(npq, k) x(npq + rs, c)
#pragma once

#include <algorithm>

#include "kernels/cuda/gemm_problem.cuh"
#include "kernels/cuda/linear_geometry.cuh"

namespace fovea::FOVEA_TARGET {

constexpr int kMostClasses = 16;  // of pixels: strides up to 4

inline GemmOutput dense_output(float* data, std::int32_t rows, std::int32_t columns,
                               std::int32_t pitch, std::int32_t group) {
  GemmOutput out{};
  out.data = data, out.rows = rows, out.columns = columns, out.pitch = pitch;
  out.image = out.line = Divisor(1);
  out.vector = aligned16(data) && pitch % 4 == 0 && group % 4 == 0 && columns % 4 == 0;
  return out;
}

template <class A, class B>
GemmProblem<A, B, 1> forward_problem(const LinearGeometry& g, const typename A::Element* x,
                                     const typename A::Element* w, const GemmOutput& out) {
  GemmProblem<A, B, 1> p{};
  auto& a = p.a[0];
  a.data = x, a.rows = g.pixels(), a.pitch = g.x_pitch;
  if constexpr (requires { a.taps; }) {
    a.channels = g.cg, a.height = g.h, a.width = g.w;
    a.taps[0] = g.r, a.taps[1] = g.s, a.step = 1;
    for (std::size_t i = 0; i < 2; ++i) a.scale[i] = g.stride[i], a.offset[i] = -g.pad[i];
    a.image = Divisor(g.p * g.q), a.line = Divisor(g.q);
  } else {
    a.k = g.cg;
  }
  p.b[0] = {w, g.outputs, g.taps() * g.cg, g.taps() * g.cg};
  p.out[0] = out;
  p.a_group = g.cg, p.b_group = g.kg * g.taps() * g.cg, p.out_group = p.bias_group = g.outputs;
  return p;
}

// `first`: of the classes of pixels that this launch takes.
template <class A, class B, int kClasses>
GemmProblem<A, B, kClasses> backward_data_problem(const LinearGeometry& g,
                                                  std::span<const PixelClass> classes,
                                                  const typename A::Element* dy,
                                                  const typename A::Element* w, float* dx,
                                                  std::int32_t dx_pitch) {
  GemmProblem<A, B, kClasses> p{};
  p.classes = static_cast<std::int32_t>(classes.size());
  p.a_group = g.kg, p.b_group = g.kg * g.taps() * g.cg, p.out_group = g.channels;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const PixelClass& c = classes[i];
    auto& a = p.a[i];
    auto& b = p.b[i];
    a.data = dy, a.rows = g.n * c.count[0] * c.count[1], a.pitch = g.y_pitch;
    b.data = w, b.rows = g.cg;
    if constexpr (requires { a.taps; }) {
      const bool any = c.taps[0] > 0 && c.taps[1] > 0;
      a.channels = g.kg, a.height = g.p, a.width = g.q, a.step = -1;
      a.taps[0] = any ? c.taps[0] : 0, a.taps[1] = any ? c.taps[1] : 1;
      a.image = Divisor(c.count[0] * c.count[1]), a.line = Divisor(c.count[1]);
      b.k = a.depth(), b.pitch = g.taps() * g.cg, b.filter_width = g.s;
      b.outputs = Divisor(g.kg), b.line = Divisor(a.taps[1]);
      for (std::size_t axis = 0; axis < 2; ++axis) {
        a.scale[axis] = 1, a.offset[axis] = c.origin[axis];
        b.first[axis] = c.first_tap[axis], b.stride[axis] = g.stride[axis];
      }
    } else {
      a.k = g.kg;
      b.k = g.kg, b.pitch = g.cg;
    }
    GemmOutput out = dense_output(dx, a.rows, g.channels, dx_pitch, g.channels);
    out.scattered = g.stride[0] * g.stride[1] > 1;
    out.height = g.h, out.width = g.w;
    out.image = Divisor(c.count[0] * c.count[1]), out.line = Divisor(c.count[1]);
    for (std::size_t axis = 0; axis < 2; ++axis)
      out.first[axis] = c.first[axis], out.stride[axis] = g.stride[axis];
    p.out[i] = out;
  }
  return p;
}

// What backward-data's plan depends on: the pixels of each class, and the longest sum.
struct BackwardDataExtent {
  std::vector<std::int32_t> rows;
  std::int32_t depth;
};
inline BackwardDataExtent backward_data_extent(const LinearGeometry& g) {
  BackwardDataExtent extent{};
  for (const PixelClass& c : pixel_classes(g)) {
    extent.rows.push_back(g.n * c.count[0] * c.count[1]);
    extent.depth = std::max(extent.depth, c.taps[0] * c.taps[1] * g.kg);
  }
  return extent;
}

// Calls run(p) for a layer whose pixels are of one class, start(p) for every launch of a strided
// one. Plain layers are the product of Rows and Columns, others of Windows and Filters.
template <class Rows, class Columns, class Windows, class Filters, class Run, class Start>
void backward_data_products(const LinearGeometry& g, const typename Rows::Element* dy,
                            const typename Rows::Element* w, float* dx, std::int32_t dx_pitch,
                            Run&& run, Start&& start) {
  const std::vector<PixelClass> classes = pixel_classes(g);
  if (g.plain()) {
    auto p = backward_data_problem<Rows, Columns, 1>(g, classes, dy, w, dx, dx_pitch);
    return run(p);
  }
  if (classes.size() == 1) {
    auto p = backward_data_problem<Windows, Filters, 1>(g, classes, dy, w, dx, dx_pitch);
    return run(p);
  }
  for (std::size_t i = 0; i < classes.size(); i += kMostClasses) {
    const std::span some = std::span(classes).subspan(i);
    auto p = backward_data_problem<Windows, Filters, kMostClasses>(
        g, some.first(std::min<std::size_t>(some.size(), kMostClasses)), dy, w, dx, dx_pitch);
    p.splits = 1;
    start(p);
  }
}

template <class A, class B>
GemmProblem<A, B, 1> backward_weights_problem(const LinearGeometry& g,
                                              const typename A::Element* dy,
                                              const typename A::Element* x, float* dw) {
  GemmProblem<A, B, 1> p{};
  p.a[0] = {dy, g.kg, g.pixels(), g.y_pitch};
  auto& b = p.b[0];
  b.data = x, b.rows = g.taps() * g.cg, b.k = g.pixels(), b.pitch = g.x_pitch;
  if constexpr (requires { b.taps; }) {
    b.channels = g.cg, b.height = g.h, b.width = g.w;
    b.taps[0] = g.r, b.taps[1] = g.s;
    for (std::size_t i = 0; i < 2; ++i) b.scale[i] = g.stride[i], b.offset[i] = -g.pad[i];
    b.image = Divisor(g.p * g.q), b.line = Divisor(g.q);
  }
  const std::int32_t columns = g.taps() * g.cg;
  p.out[0] = dense_output(dw, g.outputs, columns, columns, g.outputs * columns);
  p.a_group = g.kg, p.b_group = g.cg, p.out_group = g.outputs * columns;
  return p;
}

}  // namespace fovea::FOVEA_TARGET
