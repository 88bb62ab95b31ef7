// Elementwise passes of the relevance walk. Traffic, in tensors of the layer's size:
// divide_epilogue reads 2, writes 1; apply_map 1 and 1; accumulate_product reads 2 or 3, writes 1.
#include "kernels/cpu/relevance.h"

#include <array>
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
    case InputMap::kMean:
      break;
  }
  expects(false, "a map of x");
}

}  // namespace

void divide_epilogue(const RelevanceRule& rule, float coefficient, const OpTensor& r,
                     const OpTensor& z, std::span<const float> bias,
                     std::span<AbsorbedSums> absorbed) {
  const Lanes dims(z);
  const Stabilizer kind = rule.stabilizer;
  const float epsilon = rule.epsilon;
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < dims.images; ++n) {
    AbsorbedSums sums;
    for (std::int64_t block = 0; block < dims.blocks; ++block) {
      const float* relevance = r.data + dims.plane(n, block);
      float* quotient = z.data + dims.plane(n, block);
      for (std::int64_t lane = 0; lane < dims.lanes; ++lane) {
        const std::int64_t channel = block * dims.lanes + lane;
        const double channel_bias =
            channel < std::ssize(bias)
                ? static_cast<double>(bias[static_cast<std::size_t>(channel)])
                : 0;
        double total = 0, lost = 0;
        for (std::int64_t i = lane; i < dims.positions * dims.lanes; i += dims.lanes) {
          const float denominator = quotient[i];
          const float s = stabilized_quotient(kind, relevance[i], denominator, epsilon);
          total += static_cast<double>(s);
          lost += static_cast<double>(relevance[i]) -
                  static_cast<double>(s) * static_cast<double>(denominator);
          quotient[i] = s;
        }
        sums.bias += total * channel_bias;
        sums.epsilon += lost;
      }
    }
    absorbed[static_cast<std::size_t>(n)].bias += static_cast<double>(coefficient) * sums.bias;
    absorbed[static_cast<std::size_t>(n)].epsilon +=
        static_cast<double>(coefficient) * sums.epsilon;
  }
}

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

void add_per_channel(float factor, std::span<const float> values, const OpTensor& z) {
  const Lanes dims(z);
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < dims.images; ++n) {
    for (std::int64_t block = 0; block < dims.blocks; ++block) {
      float* plane = z.data + dims.plane(n, block);
      for (std::int64_t lane = 0; lane < dims.lanes; ++lane) {
        const auto channel = static_cast<std::size_t>(block * dims.lanes + lane);
        if (channel >= values.size()) break;
        for (std::int64_t i = lane; i < dims.positions * dims.lanes; i += dims.lanes)
          plane[i] += factor * values[channel];
      }
    }
  }
}

void sum_per_image(const OpTensor& r, std::span<double> sums) {
  const Lanes dims(r);
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < dims.images; ++n) {
    double sum = 0;
    const float* values = r.data + n * dims.image_size();
    for (std::int64_t i = 0; i < dims.image_size(); ++i) sum += static_cast<double>(values[i]);
    sums[static_cast<std::size_t>(n)] = sum;
  }
}

}  // namespace fovea::cpu
