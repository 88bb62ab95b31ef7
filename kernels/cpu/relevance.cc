// Elementwise passes of the relevance walk. Traffic, in tensors of the layer's size: apply_map
// reads 1, writes 1; accumulate_product reads 2 or 3, writes 1.
#include "kernels/cpu/relevance.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/lanes.h"

namespace fovea::cpu {
namespace {

std::int64_t storage(const OpTensor& t) { return storage_count(t.shape, t.layout); }

// Calls body(map as a compile-time constant).
template <class Body>
void dispatch(InputMap map, Body&& body) {
  switch (map) {
    case InputMap::kIdentity:
      return body(std::integral_constant<InputMap, InputMap::kIdentity>{});
    case InputMap::kPositive:
      return body(std::integral_constant<InputMap, InputMap::kPositive>{});
    case InputMap::kNegative:
      return body(std::integral_constant<InputMap, InputMap::kNegative>{});
    case InputMap::kOne:
      return body(std::integral_constant<InputMap, InputMap::kOne>{});
    case InputMap::kLow:
    case InputMap::kHigh:
      break;
  }
  expects(false, "a map of x");
}

}  // namespace

void apply_map(InputMap map, const OpTensor& x, const OpTensor& y) {
  const std::int64_t count = storage(x);
  dispatch(map, [&](auto constant) {
#pragma omp parallel for simd schedule(static)
    for (std::int64_t i = 0; i < count; ++i) y.data[i] = mapped(constant.value, x.data[i]);
  });
}

void accumulate_product(InputMap map, float factor, const OpTensor& x, const OpTensor& c,
                        const OpTensor& r, bool overwrite) {
  const std::int64_t count = storage(x);
  dispatch(map, [&](auto constant) {
    if (overwrite) {
#pragma omp parallel for simd schedule(static)
      for (std::int64_t i = 0; i < count; ++i)
        r.data[i] = factor * mapped(constant.value, x.data[i]) * c.data[i];
    } else {
#pragma omp parallel for simd schedule(static)
      for (std::int64_t i = 0; i < count; ++i)
        r.data[i] += factor * mapped(constant.value, x.data[i]) * c.data[i];
    }
  });
}

void add(float factor, const OpTensor& s, const OpTensor& r) {
  const std::int64_t count = storage(r);
#pragma omp parallel for simd schedule(static)
  for (std::int64_t i = 0; i < count; ++i) r.data[i] += factor * s.data[i];
}

void relevance_relu(ReluRule rule, const OpTensor& x, const OpTensor& r) {
  const std::int64_t count = storage(x);
  const bool by_value = rule == ReluRule::kGuided || rule == ReluRule::kGradient,
             by_sign = rule == ReluRule::kGuided || rule == ReluRule::kPositive;
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    if ((by_value && !(x.data[i] > 0)) || (by_sign && r.data[i] < 0)) r.data[i] = 0;
  }
}

void add_to_images(const float* values, const OpTensor& z) {
  const std::int64_t size = storage(z) / z.shape.n();
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < z.shape.n(); ++n) {
    float* image = z.data + n * size;
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) image[i] += values[i];
  }
}

bool output_serves(const OpTensor& y, const OpTensor& r) {
  const std::int64_t count = storage(y);
  int against = 0;
#pragma omp parallel for simd schedule(static) reduction(| : against)
  for (std::int64_t i = 0; i < count; ++i)
    against |= static_cast<int>(!(y.data[i] > 0)) & static_cast<int>(r.data[i] != 0);
  return against == 0;
}

void sum_per_image(const OpTensor& r, std::span<ImageSums> sums) {
  // Parts of a fixed size, so that sums do not depend on the number of threads.
  constexpr std::int64_t kPart = 1 << 14;
  const std::int64_t size = storage(r) / r.shape.n(), parts = (size + kPart - 1) / kPart;
  std::vector<ImageSums> partial(static_cast<std::size_t>(r.shape.n() * parts));
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < std::ssize(partial); ++task) {
    const std::int64_t first = task % parts * kPart, count = std::min(kPart, size - first);
    const float* values = r.data + task / parts * size + first;
    double sum = 0, magnitude = 0;
#pragma omp simd reduction(+ : sum, magnitude)
    for (std::int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<double>(values[i]);
      sum += value;
      magnitude += value < 0 ? -value : value;
    }
    partial[static_cast<std::size_t>(task)] = {sum, magnitude};
  }
  for (std::size_t n = 0; n < sums.size(); ++n) {
    sums[n] = {};
    for (std::size_t i = 0; i < static_cast<std::size_t>(parts); ++i) {
      const ImageSums& part = partial[n * static_cast<std::size_t>(parts) + i];
      sums[n].sum += part.sum, sums[n].magnitude += part.magnitude;
    }
  }
}

void take_channels(const OpTensor& from, std::int64_t first, const OpTensor& to) {
  const Lanes source(from), target(to);
  const bool blocks = from.layout == to.layout && from.layout != Layout::kChannelsLast &&
                      first % source.lanes == 0 && to.shape.c() % target.lanes == 0;
  if (!blocks && is_blocked(to.layout)) std::fill_n(to.data, storage(to), 0.0F);
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < target.images; ++n) {
    if (blocks) {
      std::copy_n(from.data + source.plane(n, first / source.lanes), target.image_size(),
                  to.data + target.plane(n, 0));
      continue;
    }
    for (std::int64_t c = 0; c < target.channels; ++c) {
      for (std::int64_t p = 0; p < target.positions; ++p)
        to.data[target.element(n, c, p)] = from.data[source.element(n, first + c, p)];
    }
  }
}

void keep_channels(std::span<const std::uint8_t> keep, const OpTensor& r) {
  const Lanes dims(r);
  for (std::int64_t n = 0; n < dims.images; ++n) {
    for (std::int64_t c = 0; c < dims.channels; ++c) {
      if (keep[static_cast<std::size_t>(c)] != 0) continue;
      for (std::int64_t p = 0; p < dims.positions; ++p) r.data[dims.element(n, c, p)] = 0;
    }
  }
}

}  // namespace fovea::cpu
