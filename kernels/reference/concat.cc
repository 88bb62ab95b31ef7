#include "kernels/reference/concat.h"

namespace fovea::reference {
namespace {

// Calls visit(index in the part, index in the whole) for the elements of a part that starts at
// `offset` along `axis` of the whole.
template <class Visit>
void for_each_shared(int axis, const Shape& part, const Shape& whole, std::int64_t offset,
                     Visit&& visit) {
  const std::int64_t outer = part.count(0, axis), inner = part.count_from(axis + 1);
  const std::int64_t length = part[axis] * inner, stride = whole[axis] * inner;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < length; ++i) {
      visit(o * length + i, o * stride + offset * inner + i);
    }
  }
}

}  // namespace

void concat(int axis, std::span<const Input> xs, Output y) {
  std::int64_t offset = 0;
  for (const Input& x : xs) {
    for_each_shared(axis, x.shape, y.shape, offset,
                    [&](auto part, auto whole) { y[whole] = x[part]; });
    offset += x.shape[axis];
  }
}

void concat_gradient(int axis, Input dy, std::span<const Output> dxs) {
  std::int64_t offset = 0;
  for (const Output& dx : dxs) {
    if (dx.data) {
      for_each_shared(axis, dx.shape, dy.shape, offset,
                      [&](auto part, auto whole) { dx[part] = dy[whole]; });
    }
    offset += dx.shape[axis];
  }
}

}  // namespace fovea::reference
