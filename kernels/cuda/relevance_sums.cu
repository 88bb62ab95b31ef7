// Sums over relevance that somebody wants to know in the end.
//
//   block: kSumChunk values of one image, summed pairwise in double; then a block per image adds
//   the blocks' sums pairwise, in an order that depends on their number alone
//   bytes per value: sum_per_image 4, note_unserved 8
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

struct Sums {
  double sum, magnitude;
};
struct Both {
  __device__ __forceinline__ Sums operator()(const Sums& a, const Sums& b) const {
    return {a.sum + b.sum, a.magnitude + b.magnitude};
  }
};

__global__ void sum_images(int size, const float* r, Sums* partial) {
  const float* image = r + static_cast<std::int64_t>(blockIdx.y) * size;
  const int begin = static_cast<int>(blockIdx.x) * kSumChunk, end = min(begin + kSumChunk, size);
  Sums sums{0, 0};
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kSumThreads) {
    const auto value = static_cast<double>(image[i]);
    sums.sum += value;
    sums.magnitude += value < 0 ? -value : value;
  }
  sums = block_reduce<kSumThreads>(sums, Both{});
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = sums;
}

// The sum of an image's parts, for thread 0 and all others.
__device__ __forceinline__ Sums sum_of_parts(int parts, const Sums* partial) {
  const Sums* image = partial + std::int64_t{1} * blockIdx.x * parts;
  Sums sums{0, 0};
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += kSumThreads) {
    sums.sum += image[i].sum;
    sums.magnitude += image[i].magnitude;
  }
  return block_reduce<kSumThreads>(sums, Both{});
}
__global__ void write_sums(int parts, const Sums* partial, ImageSums* sums) {
  const Sums sum = sum_of_parts(parts, partial);
  if (threadIdx.x == 0) sums[blockIdx.x].sum = sum.sum, sums[blockIdx.x].magnitude = sum.magnitude;
}
__global__ void subtract_sums(int parts, const Sums* partial, AbsorbedSums* absorbed) {
  const Sums sum = sum_of_parts(parts, partial);
  if (threadIdx.x == 0) absorbed[blockIdx.x].padding -= sum.sum;
}

// Blocks that find one write the same value.
__global__ void find_unserved(int count, const float* y, const float* r, int* unserved) {
  const int begin = static_cast<int>(blockIdx.x) * kSumChunk, end = min(begin + kSumChunk, count);
  bool any = false;
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kSumThreads)
    any = any || (!(y[i] > 0) && r[i] != 0);
  const int of_block = __syncthreads_or(any ? 1 : 0);
  if (threadIdx.x == 0 && of_block != 0) *unserved = 1;
}

// Parts of an image's sum, and how many there are of each.
struct Parts {
  Sums* sums;
  int count;
};
Parts sum_parts(Stream stream, PartialMemory& memory, const OpTensor& r) {
  const int size = index32(floats(r) / r.shape.n()), count = sum_chunks(size);
  const auto images = static_cast<unsigned>(index32(r.shape.n()));
  const Parts parts{memory.take<Sums>(std::size_t{images} * static_cast<std::size_t>(count)),
                    count};
  launch<sum_images>(dim3(static_cast<unsigned>(count), images), kSumThreads, 0, stream, size,
                     r.data, parts.sums);
  return parts;
}

}  // namespace

void sum_per_image(Stream stream, PartialMemory& memory, const OpTensor& r,
                   std::span<ImageSums> sums) {
  const Parts parts = sum_parts(stream, memory, r);
  launch<write_sums>(dim3(static_cast<unsigned>(sums.size())), kSumThreads, 0, stream, parts.count,
                     parts.sums, sums.data());
}

void take_arrived(Stream stream, PartialMemory& memory, const OpTensor& r,
                  std::span<AbsorbedSums> absorbed) {
  const Parts parts = sum_parts(stream, memory, r);
  launch<subtract_sums>(dim3(static_cast<unsigned>(absorbed.size())), kSumThreads, 0, stream,
                        parts.count, parts.sums, absorbed.data());
}

void note_unserved(Stream stream, const OpTensor& y, const OpTensor& r, int* unserved) {
  launch<find_unserved>(blocks_for(floats(y), kSumChunk), kSumThreads, 0, stream,
                        index32(floats(y)), y.data, r.data, unserved);
}

}  // namespace fovea::FOVEA_TARGET
