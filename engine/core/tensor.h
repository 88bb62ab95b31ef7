// Tensors: a non-owning view and an owning value, both dense and row-major (NCHW or NC).
// What lies in a backend's own layout is engine/backend business and never travels as one of these.
#pragma once

#include <span>
#include <vector>

#include "engine/core/shape.h"

namespace fovea {

// `data` holds shape.count() elements, row-major. Copying a view copies no element.
template <class T>
struct TensorView {
  T* data = nullptr;
  Shape shape;

  [[nodiscard]] std::int64_t count() const { return shape.count(); }
  [[nodiscard]] std::span<T> span() const { return {data, static_cast<std::size_t>(count())}; }
  T& operator[](std::int64_t i) const { return data[i]; }
  // Element (n, c, h, w) of a tensor of four (or, with missing axes as 1, fewer) axes.
  T& operator()(std::int64_t n, std::int64_t c, std::int64_t h = 0, std::int64_t w = 0) const {
    return data[((n * shape.c() + c) * shape.h() + h) * shape.w() + w];
  }
  operator TensorView<const T>() const {
    return {data, shape};
  }  // NOLINT: a view of const is always safe
};

template <class T>
struct Tensor {
  Shape shape;
  std::vector<T> values = std::vector<T>(1);

  Tensor() = default;
  explicit Tensor(const Shape& s, T fill = T{})
      : shape(s), values(static_cast<std::size_t>(s.count()), fill) {}
  Tensor(const Shape& s, std::vector<T> v) : shape(s), values(std::move(v)) {
    expects(static_cast<std::int64_t>(values.size()) == shape.count(),
            "as many values as the shape says");
  }

  [[nodiscard]] TensorView<T> view() { return {values.data(), shape}; }
  [[nodiscard]] TensorView<const T> view() const { return {values.data(), shape}; }
};

[[nodiscard]] inline Tensor<double> in_double(const Tensor<float>& t) {
  return {t.shape, std::vector<double>(t.values.begin(), t.values.end())};
}

}  // namespace fovea
