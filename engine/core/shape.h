// Shape: the extents of a dense tensor, outermost first, at most four axes.
//
// Letters used everywhere: N images, C channels, H W rows and columns of an input; K output
// channels, R S rows and columns of a filter, P Q rows and columns of an output.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>

#include "engine/core/error.h"

namespace fovea {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  constexpr Shape() = default;  // rank 0: a scalar, count 1
  constexpr Shape(std::initializer_list<std::int64_t> extents) {
    expects(extents.size() <= kMaxRank, "a shape has at most four axes");
    for (std::int64_t extent : extents) extents_[rank_++] = extent;
  }
  explicit Shape(std::span<const std::int64_t> extents) {
    require(extents.size() <= kMaxRank, "a tensor has at most four axes, found ", extents.size());
    for (std::int64_t extent : extents) extents_[rank_++] = extent;
  }

  [[nodiscard]] constexpr int rank() const { return rank_; }
  [[nodiscard]] constexpr std::int64_t operator[](int axis) const { return extents_[axis]; }
  constexpr std::int64_t& operator[](int axis) { return extents_[axis]; }
  [[nodiscard]] const std::int64_t* begin() const { return extents_.data(); }
  [[nodiscard]] const std::int64_t* end() const { return extents_.data() + rank_; }

  // Missing trailing axes count as 1, so (N, C) reads as (N, C, 1, 1).
  [[nodiscard]] constexpr std::int64_t axis_or_one(int axis) const {
    return axis < rank_ ? extents_[axis] : 1;
  }
  [[nodiscard]] constexpr std::int64_t n() const { return axis_or_one(0); }
  [[nodiscard]] constexpr std::int64_t c() const { return axis_or_one(1); }
  [[nodiscard]] constexpr std::int64_t h() const { return axis_or_one(2); }
  [[nodiscard]] constexpr std::int64_t w() const { return axis_or_one(3); }

  // Product of the extents of axes [first, last).
  [[nodiscard]] constexpr std::int64_t count(int first, int last) const {
    std::int64_t product = 1;
    for (int axis = first; axis < last; ++axis) product *= extents_[axis];
    return product;
  }
  [[nodiscard]] constexpr std::int64_t count() const { return count(0, rank_); }
  [[nodiscard]] constexpr std::int64_t count_from(int first) const { return count(first, rank_); }

  constexpr bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int axis = 0; axis < rank_; ++axis) {
      if (extents_[axis] != other.extents_[axis]) return false;
    }
    return true;
  }

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

// "2x3x227x227"; "scalar" for rank 0.
inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  if (shape.rank() == 0) return out << "scalar";
  for (int axis = 0; axis < shape.rank(); ++axis) out << (axis ? "x" : "") << shape[axis];
  return out;
}

}  // namespace fovea
