// S = R / stab(Z) for the groups of a rule, in place, with the sums of what does not get through
// (kernels/ops/relevance_linear.h).
//
//   r (N,P,Q,K) or (N,K); a group's element (n, p, k) at n image + p pitch + (k / run) stride +
//   k % run: groups are outputs of one operation side by side
//   block: kSumChunk elements of one image; sums in double, pairwise within a block; then a block
//   per image adds theirs, pairwise, to what the image has
//   bytes per element and group: 12; a gate 16 more for both, relative epsilon 4 more
#include <cmath>

#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

// Elements of one image of a group: index (p, k) of the layer -> place.
struct Places {
  int size;  // P Q K
  int stride, pitch;
  std::int64_t image;
  Divisor channels, run;
};
struct At {
  int channel;
  std::int64_t place;
};
__device__ __forceinline__ At locate(const Places& p, int index) {
  const Quotient k = p.channels.divide(index), block = p.run.divide(k.remainder);
  return {k.remainder, std::int64_t{1} * k.quotient * p.pitch +
                           std::int64_t{1} * block.quotient * p.stride + block.remainder};
}

Places places_of(const QuotientGroup& group, const OpTensor& r) {
  const Shape& s = r.shape;
  expects(s.rank() == 2 || r.layout == Layout::kChannelsLast, "a layout that the device knows");
  (void)index32(s.count());
  (void)index32(group.image_size);
  const bool flat = s.rank() == 2;  // one block of K
  return {index32(s.count_from(1)),
          flat ? 0 : index32(group.stride),
          index32(group.image_size / (s.h() * s.w())),
          group.image_size,
          Divisor(s.c()),
          Divisor(flat ? s.c() : group.run)};
}

struct Absorbed {
  double bias, epsilon, padding;
  float weakest, strongest;
};

struct Both {
  __device__ __forceinline__ Absorbed operator()(const Absorbed& a, const Absorbed& b) const {
    return {a.bias + b.bias, a.epsilon + b.epsilon, a.padding + b.padding,
            fminf(a.weakest, b.weakest), fmaxf(a.strongest, b.strongest)};
  }
};

struct GroupQuotient {
  Stabilizer kind;
  bool gated, mixed_signs;
  float coefficient, epsilon;
  const float* epsilons;  // per image; null: epsilon
  const float *bias, *taps;
};

__global__ void divide_group(Places p, GroupQuotient q, const float* r, float* z,
                             Absorbed* partial) {
  const int n = static_cast<int>(blockIdx.y);
  const int begin = static_cast<int>(blockIdx.x) * kSumChunk, end = min(begin + kSumChunk, p.size);
  const float epsilon = q.epsilons ? q.epsilons[n] : q.epsilon;
  Absorbed sums{0, 0, 0, INFINITY, 0};
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kSumThreads) {
    const At at = locate(p, i);
    float* place = z + n * p.image + at.place;
    const float Z = *place;
    // Where a gate is shut Z is 0, and R does not count.
    const float R = q.gated && Z == 0 ? 0.0F : r[std::int64_t{1} * n * p.size + i];
    const float S = q.coefficient * stabilized_quotient(q.kind, R, Z, epsilon);
    const auto quotient = static_cast<double>(S);
    if (q.bias) sums.bias += quotient * static_cast<double>(q.bias[at.channel]);
    if (q.taps) sums.padding += quotient * static_cast<double>(q.taps[at.channel]);
    if (q.kind != Stabilizer::kUndivided) {  // which has no Z
      sums.epsilon += static_cast<double>(q.coefficient) * static_cast<double>(R) -
                      quotient * static_cast<double>(Z);
    }
    if (q.mixed_signs) {
      const float magnitude = fabsf(Z);
      if (R != 0) sums.weakest = fminf(sums.weakest, magnitude + epsilon);
      sums.strongest = fmaxf(sums.strongest, magnitude);
    }
    *place = S;
  }
  sums = block_reduce<kSumThreads>(sums, Both{});
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = sums;
}

__global__ void add_absorbed(int parts, const Absorbed* partial, AbsorbedSums* absorbed) {
  const Absorbed* image = partial + std::int64_t{1} * blockIdx.x * parts;
  Absorbed sums{0, 0, 0, INFINITY, 0};
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += kSumThreads)
    sums = Both{}(sums, image[i]);
  sums = block_reduce<kSumThreads>(sums, Both{});
  if (threadIdx.x != 0) return;
  AbsorbedSums& of = absorbed[blockIdx.x];
  of.bias += sums.bias;
  of.epsilon += sums.epsilon;
  of.padding += sums.padding;
  of.weakest = fminf(of.weakest, sums.weakest);
  of.strongest = fmaxf(of.strongest, sums.strongest);
}

// Z = 0 where the gate is shut: group 0 serves Z_0 + Z_1 > 0, group 1 the opposite.
__global__ void shut_gates(Places p, float* z0, float* z1) {
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + static_cast<int>(threadIdx.x);
  if (i >= p.size) return;
  const std::int64_t at = std::int64_t{1} * blockIdx.y * p.image + locate(p, i).place;
  const float z = z0[at] + z1[at];
  if (!(z > 0)) z0[at] = 0;
  if (!(z < 0)) z1[at] = 0;
}

__global__ void complete(Places p, const float* y, const float* negative, float* z0, float* z1) {
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + static_cast<int>(threadIdx.x);
  if (i >= p.size) return;
  const std::int64_t from = std::int64_t{1} * blockIdx.y * p.size + i,
                     to = std::int64_t{1} * blockIdx.y * p.image + locate(p, i).place;
  const float sum = negative[from];
  z0[to] = y[from] - sum;
  z1[to] = sum;
}

__global__ void sum_squares(Places p, const float* z, double* partial) {
  const int begin = static_cast<int>(blockIdx.x) * kSumChunk, end = min(begin + kSumChunk, p.size);
  double sum = 0;
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kSumThreads) {
    const auto value =
        static_cast<double>(z[std::int64_t{1} * blockIdx.y * p.image + locate(p, i).place]);
    sum += value * value;
  }
  sum = block_reduce<kSumThreads>(sum, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}
// epsilons[n] = epsilon * the root of the image's mean square.
__global__ void root_mean_squares(int images, int chunks, int size, float epsilon,
                                  const double* partial, float* epsilons) {
  const int n = static_cast<int>(blockIdx.x) * kSumThreads + static_cast<int>(threadIdx.x);
  if (n >= images) return;
  double sum = 0;
  for (int i = 0; i < chunks; ++i) sum += partial[n * chunks + i];
  epsilons[n] = epsilon * static_cast<float>(sqrt(sum / static_cast<double>(size)));
}

dim3 grid_over(const Places& p, std::int64_t images, int per_block) {
  return dim3(blocks_for(p.size, per_block).x, static_cast<unsigned>(index32(images)));
}

// Memory of one call: the blocks' sums, and behind them an epsilon per image.
struct Parts {
  std::size_t images, chunks;
  Absorbed* sums;
  float* epsilons;
};
Parts take_parts(PartialMemory& memory, std::size_t images, std::size_t chunks) {
  const std::size_t bytes = images * chunks * sizeof(Absorbed);
  auto* data = memory.take<std::byte>(bytes + images * sizeof(float));
  return {images, chunks, reinterpret_cast<Absorbed*>(data),
          reinterpret_cast<float*>(data + bytes)};
}

void relative_epsilons(Stream stream, const Parts& parts, const Places& places, float epsilon,
                       const float* z) {
  auto* partial = reinterpret_cast<double*>(parts.sums);  // before the sums are written
  const int images = static_cast<int>(parts.images), chunks = static_cast<int>(parts.chunks);
  launch<sum_squares>(grid_over(places, images, kSumChunk), kSumThreads, 0, stream, places, z,
                      partial);
  launch<root_mean_squares>(blocks_for(images, kSumThreads), kSumThreads, 0, stream, images, chunks,
                            places.size, epsilon, partial, parts.epsilons);
}

}  // namespace

void divide(Stream stream, PartialMemory& memory, const RelevanceRule& rule,
            std::span<const QuotientGroup> groups, const OpTensor& r,
            std::span<AbsorbedSums> absorbed) {
  const std::int64_t images = r.shape.n();
  const bool gated = rule.gate == Gate::kSign, relative = rule.stabilizer == Stabilizer::kRelative,
             mixed = relative || rule.stabilizer == Stabilizer::kEpsilon ||
                     rule.stabilizer == Stabilizer::kTinyToR;
  if (gated) {
    const Places places = places_of(groups[0], r);
    launch<shut_gates>(grid_over(places, images, kSumThreads), kSumThreads, 0, stream, places,
                       groups[0].data, groups[1].data);
  }
  for (const QuotientGroup& group : groups) {
    const Places places = places_of(group, r);
    const Parts parts = take_parts(memory, static_cast<std::size_t>(images),
                                   static_cast<std::size_t>(sum_chunks(places.size)));
    if (relative) relative_epsilons(stream, parts, places, rule.epsilon, group.data);
    const GroupQuotient quotient{rule.stabilizer,
                                 gated,
                                 mixed,
                                 group.coefficient,
                                 rule.epsilon,
                                 relative ? parts.epsilons : nullptr,
                                 group.bias.empty() ? nullptr : group.bias.data(),
                                 group.taps.empty() ? nullptr : group.taps.data()};
    launch<divide_group>(grid_over(places, images, kSumChunk), kSumThreads, 0, stream, places,
                         quotient, r.data, group.data, parts.sums);
    launch<add_absorbed>(dim3(static_cast<unsigned>(absorbed.size())), kSumThreads, 0, stream,
                         static_cast<int>(parts.chunks), parts.sums, absorbed.data());
  }
}

void complete_sums(Stream stream, const OpTensor& y, const OpTensor& negative,
                   std::span<const QuotientGroup> groups) {
  const Places places = places_of(groups[0], y);
  launch<complete>(grid_over(places, y.shape.n(), kSumThreads), kSumThreads, 0, stream, places,
                   y.data, negative.data, groups[0].data, groups[1].data);
}

// Asked for a warning's text only: on the host.
std::int64_t weakest_unit(const PartialMemory& memory, const QuotientGroup& group,
                          const OpTensor& r, std::int64_t n) {
  const Shape& shape = r.shape;
  const std::int64_t size = shape.count_from(1), channels = shape.c(), positions = size / channels;
  const bool flat = shape.rank() == 2;
  const std::int64_t run = flat ? channels : group.run, pitch = group.image_size / positions;
  // The group's last element, for its memory begins within an image of all groups.
  const std::int64_t reach =
      (positions - 1) * pitch + (channels - 1) / run * group.stride + (channels - 1) % run + 1;
  const std::vector<float> relevance =
                               memory.fetch(r.data + n * size, static_cast<std::size_t>(size)),
                           s = memory.fetch(group.data + n * group.image_size,
                                            static_cast<std::size_t>(reach));
  std::int64_t unit = -1;
  double largest = -1;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t p = i / channels, k = i % channels;
    const auto R = static_cast<double>(relevance[static_cast<std::size_t>(i)]);
    if (R == 0) continue;
    const auto at = static_cast<std::size_t>(p * pitch + k / run * group.stride + k % run);
    const double gain = std::abs(static_cast<double>(s[at]) / R);
    if (!(gain <= largest)) largest = gain, unit = k * positions + p;
  }
  return unit;
}

}  // namespace fovea::FOVEA_TARGET
