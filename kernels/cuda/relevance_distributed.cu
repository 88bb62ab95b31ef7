// Relevance of a convolution whose bias is spread over its taps: t_ij = w_ij x_i + b_j / K takes
// the place of w_ij x_i, those on padding too (kernels/ops/relevance_kernels.h).
//
//   x, r_bottom (N,C,H,W), w (K,C/G,R,S), b (K) or null, r_top (N,K,P,Q)
//   shares: thread: one output; its sums of positive and of negative t in double, and from them the
//     factors of both; a block has outputs of one image
//   gather: thread: one input; over the outputs that it reaches, in their order: no atomics
//   K C/G R S products per position in either pass, not tiled: sums of clipped t are no products of
//   matrices. For comparisons with the original software, not for speed
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = kSumThreads;

struct Layer {
  int images, channels, height, width, outputs, rows, columns;  // N C H W K P Q
  int group_channels, group_outputs;
  int kernel[2], stride[2], pad[2];
  float epsilon, beta;
};
struct Factors {
  float gain, loss;  // of positive and of negative t
};
struct Lost {
  double epsilon, padding;
};

struct Both {
  __device__ __forceinline__ Lost operator()(const Lost& a, const Lost& b) const {
    return {a.epsilon + b.epsilon, a.padding + b.padding};
  }
};

// body(t, on the image?) for every tap of output k at (row, column).
template <class Body>
__device__ __forceinline__ void each_tap(const Layer& p, int k, int row, int column,
                                         const float* image, const float* w, float bias,
                                         Body&& body) {
  const int first = k / p.group_outputs * p.group_channels;
  for (int c = 0; c < p.group_channels; ++c) {
    for (int r = 0; r < p.kernel[0]; ++r) {
      for (int s = 0; s < p.kernel[1]; ++s, ++w) {
        const int h = row * p.stride[0] - p.pad[0] + r, v = column * p.stride[1] - p.pad[1] + s;
        const bool inside = h >= 0 && h < p.height && v >= 0 && v < p.width;
        const float x = inside ? image[((first + c) * p.height + h) * p.width + v] : 0.0F;
        body((inside ? *w * x : 0.0F) + bias, inside);
      }
    }
  }
}

__device__ __forceinline__ float over(float relevance, double sum) {
  return sum == 0 ? 0.0F : static_cast<float>(static_cast<double>(relevance) / sum);
}

__global__ void shares(Layer p, const float* x, const float* w, const float* b, const float* r,
                       Factors* factors, Lost* partial) {
  const int size = p.outputs * p.rows * p.columns, n = static_cast<int>(blockIdx.y);
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  Lost lost{0, 0};
  if (i < size) {
    const int k = i / (p.rows * p.columns), row = i / p.columns % p.rows, column = i % p.columns;
    const int taps = p.group_channels * p.kernel[0] * p.kernel[1];
    const float bias = b ? b[k] / static_cast<float>(taps) : 0.0F;
    const float relevance = r[std::int64_t{1} * n * size + i];
    const float* image = x + std::int64_t{1} * n * p.channels * p.height * p.width;
    const float* filter = w + std::int64_t{1} * k * taps;
    double positive = 0, negative = 0;
    each_tap(p, k, row, column, image, filter, bias, [&](float t, bool) {
      if (t > 0) {
        positive += static_cast<double>(t);
      } else {
        negative += static_cast<double>(t);
      }
    });
    Factors f{};
    if (p.beta < 0) {
      f.gain = f.loss = stabilized_quotient(Stabilizer::kEpsilon, relevance,
                                            static_cast<float>(positive + negative), p.epsilon);
    } else {
      f.gain = (1 + p.beta) * over(relevance, positive);
      f.loss = -p.beta * over(relevance, negative);
    }
    factors[std::int64_t{1} * n * size + i] = f;
    lost.epsilon = static_cast<double>(relevance) - positive * static_cast<double>(f.gain) -
                   negative * static_cast<double>(f.loss);
    each_tap(p, k, row, column, image, filter, bias, [&](float t, bool inside) {
      if (!inside) lost.padding += static_cast<double>(t * (t > 0 ? f.gain : f.loss));
    });
  }
  lost = block_reduce<kThreads>(lost, Both{});
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = lost;
}

// A block per image adds the sums of its blocks.
__global__ void add_lost(int parts, const Lost* partial, AbsorbedSums* absorbed) {
  const Lost* image = partial + std::int64_t{1} * blockIdx.x * parts;
  Lost lost{0, 0};
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += kThreads)
    lost.epsilon += image[i].epsilon, lost.padding += image[i].padding;
  lost = block_reduce<kThreads>(lost, Both{});
  if (threadIdx.x != 0) return;
  absorbed[blockIdx.x].epsilon += lost.epsilon;
  absorbed[blockIdx.x].padding += lost.padding;
}

__global__ void gather(Layer p, const float* x, const float* w, const float* b,
                       const Factors* factors, float* r_bottom) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int plane = p.height * p.width;
  if (at >= p.images * p.channels * plane) return;
  const int v = at % p.width, h = at / p.width % p.height, c = at / plane % p.channels,
            n = at / plane / p.channels;
  const int group = c / p.group_channels, of_group = c % p.group_channels;
  const int taps = p.group_channels * p.kernel[0] * p.kernel[1];
  const float value = x[at];
  float sum = 0;
  for (int k = group * p.group_outputs; k < (group + 1) * p.group_outputs; ++k) {
    const float bias = b ? b[k] / static_cast<float>(taps) : 0.0F;
    const float* filter = w + std::int64_t{1} * k * taps + of_group * p.kernel[0] * p.kernel[1];
    const Factors* of_output = factors + (std::int64_t{1} * n * p.outputs + k) * p.rows * p.columns;
    for (int r = p.kernel[0] - 1; r >= 0; --r) {
      const int top = h + p.pad[0] - r;
      if (top < 0 || top % p.stride[0] != 0 || top / p.stride[0] >= p.rows) continue;
      for (int s = p.kernel[1] - 1; s >= 0; --s) {
        const int left = v + p.pad[1] - s;
        if (left < 0 || left % p.stride[1] != 0 || left / p.stride[1] >= p.columns) continue;
        const Factors f = of_output[top / p.stride[0] * p.columns + left / p.stride[1]];
        const float t = filter[r * p.kernel[1] + s] * value + bias;
        sum += t * (t > 0 ? f.gain : f.loss);
      }
    }
  }
  r_bottom[at] = sum;
}

}  // namespace

void relevance_distributed(Stream stream, PartialMemory& memory, const ConvolutionParams& params,
                           const DistributedRule& rule, const OpTensor& x, const float* w,
                           const float* b, const OpTensor& r_top, const OpTensor& r_bottom,
                           std::span<AbsorbedSums> absorbed) {
  const Shape &s = x.shape, &y = r_top.shape;
  Layer p{index32(s.n()),
          index32(s.c()),
          index32(s.h()),
          index32(s.w()),
          index32(y.c()),
          index32(y.h()),
          index32(y.w()),
          index32(s.c() / params.groups),
          index32(y.c() / params.groups),
          {},
          {},
          {},
          rule.epsilon,
          rule.beta};
  for (std::size_t i = 0; i < 2; ++i) {
    p.kernel[i] = index32(params.kernel[i]);
    p.stride[i] = index32(params.stride[i]);
    p.pad[i] = index32(params.pad[i]);
  }
  (void)index32(s.count());
  const auto outputs = static_cast<std::size_t>(index32(y.count()));
  const dim3 blocks = blocks_for(y.count_from(1), kThreads);
  const std::size_t parts = absorbed.size() * blocks.x;
  auto* data = memory.take<std::byte>(parts * sizeof(Lost) + outputs * sizeof(Factors));
  auto* partial = reinterpret_cast<Lost*>(data);
  auto* factors = reinterpret_cast<Factors*>(data + parts * sizeof(Lost));
  launch<shares>(dim3(blocks.x, static_cast<unsigned>(absorbed.size())), kThreads, 0, stream, p,
                 x.data, w, b, r_top.data, factors, partial);
  launch<gather>(blocks_for(s.count(), kThreads), kThreads, 0, stream, p, x.data, w, b, factors,
                 r_bottom.data);
  launch<add_lost>(dim3(static_cast<unsigned>(absorbed.size())), kThreads, 0, stream,
                   static_cast<int>(blocks.x), partial, absorbed.data());
}

}  // namespace fovea::FOVEA_TARGET
