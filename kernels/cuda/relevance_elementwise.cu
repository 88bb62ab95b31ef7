// Elementwise passes of a relevance walk.
//
//   tensors of `count` values in any layout, padding included
//   thread: four neighbouring values, 16 bytes; 256 threads to a block
//   bytes per value: apply_map 8, accumulate_product 12 (16 where it adds), add 12, relu 12
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ int first_of_four() {
  return (static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * 4;
}

// z[i] = f(i's values) in fours, the rest one by one; z may be an input.
template <class F>
__device__ __forceinline__ void map_one(int count, const float* x, float* z, F f) {
  const int first = first_of_four();
  if (first + 4 <= count) {
    store4(z + first, map4(f, load4(x + first)));
  } else {
    for (int i = first; i < count; ++i) z[i] = f(x[i]);
  }
}
template <class F>
__device__ __forceinline__ void map_two(int count, const float* x, const float* y, float* z, F f) {
  const int first = first_of_four();
  if (first + 4 <= count) {
    store4(z + first, map4(f, load4(x + first), load4(y + first)));
  } else {
    for (int i = first; i < count; ++i) z[i] = f(x[i], y[i]);
  }
}

__global__ void map_input(int count, InputMap map, const float* x, float* y) {
  map_one(count, x, y, [map](float v) { return mapped(map, v); });
}

template <bool kOverwrite>
__global__ void map_times(int count, InputMap map, float factor, const float* x, const float* c,
                          float* r) {
  const auto product = [map, factor](float v, float w) { return factor * mapped(map, v) * w; };
  if constexpr (kOverwrite) {
    map_two(count, x, c, r, product);
  } else {
    const int first = first_of_four();
    const auto sum = [](float a, float b) { return a + b; };
    if (first + 4 <= count) {
      store4(r + first,
             map4(sum, load4(r + first), map4(product, load4(x + first), load4(c + first))));
    } else {
      for (int i = first; i < count; ++i) r[i] += product(x[i], c[i]);
    }
  }
}

__global__ void add_scaled(int count, float factor, const float* s, float* r) {
  map_two(count, s, r, r, [factor](float a, float b) { return b + factor * a; });
}

// One value to a thread: images need not begin at a multiple of 16 bytes.
__global__ void add_image(int count, Divisor image, const float* values, float* z) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at < count) z[at] += values[image.divide(at).remainder];
}

__global__ void relu_rule(int count, bool by_value, bool by_sign, const float* x, float* r) {
  map_two(count, x, r, r, [by_value, by_sign](float v, float relevance) {
    return (by_value && !(v > 0)) || (by_sign && relevance < 0) ? 0.0F : relevance;
  });
}

dim3 fours(const OpTensor& t) { return blocks_for(floats(t), 4 * kThreads); }

}  // namespace

void apply_map(Stream stream, InputMap map, const OpTensor& x, const OpTensor& y) {
  launch<map_input>(fours(x), kThreads, 0, stream, index32(floats(x)), map, x.data, y.data);
}
void accumulate_product(Stream stream, InputMap map, float factor, const OpTensor& x,
                        const OpTensor& c, const OpTensor& r, bool overwrite) {
  const int count = index32(floats(x));
  if (overwrite) {
    launch<map_times<true>>(fours(x), kThreads, 0, stream, count, map, factor, x.data, c.data,
                            r.data);
  } else {
    launch<map_times<false>>(fours(x), kThreads, 0, stream, count, map, factor, x.data, c.data,
                             r.data);
  }
}
void add(Stream stream, float factor, const OpTensor& s, const OpTensor& r) {
  launch<add_scaled>(fours(r), kThreads, 0, stream, index32(floats(r)), factor, s.data, r.data);
}
void add_to_images(Stream stream, const float* values, const OpTensor& z) {
  launch<add_image>(blocks_for(floats(z), kThreads), kThreads, 0, stream, index32(floats(z)),
                    Divisor(floats(z) / z.shape.n()), values, z.data);
}
void relevance_relu(Stream stream, ReluRule rule, const OpTensor& x, const OpTensor& r) {
  const bool by_value = rule == ReluRule::kGuided || rule == ReluRule::kGradient,
             by_sign = rule == ReluRule::kGuided || rule == ReluRule::kPositive;
  launch<relu_rule>(fours(x), kThreads, 0, stream, index32(floats(x)), by_value, by_sign, x.data,
                    r.data);
}

}  // namespace fovea::FOVEA_TARGET
