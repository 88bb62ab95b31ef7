// Sums over relevance that the host wants to know.
//
//   block: kSumChunk values of one image, summed pairwise in double; the host adds the blocks' sums
//   in order
//   bytes per value: sum_per_image 4, output_serves 8
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

struct Sums {
  double sum, magnitude;
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
  sums = block_reduce<kSumThreads>(sums, [](Sums a, Sums b) {
    return Sums{a.sum + b.sum, a.magnitude + b.magnitude};
  });
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = sums;
}

__global__ void find_unserved(int count, const float* y, const float* r, int* found) {
  const int begin = static_cast<int>(blockIdx.x) * kSumChunk, end = min(begin + kSumChunk, count);
  bool any = false;
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kSumThreads)
    any = any || (!(y[i] > 0) && r[i] != 0);
  const int of_block = __syncthreads_or(any ? 1 : 0);
  if (threadIdx.x == 0) found[blockIdx.x] = of_block != 0 ? 1 : 0;
}

}  // namespace

void sum_per_image(Stream stream, PartialMemory& memory, const OpTensor& r,
                   std::span<ImageSums> sums) {
  const int size = index32(floats(r) / r.shape.n()), chunks = sum_chunks(size);
  const auto count = sums.size() * static_cast<std::size_t>(chunks);
  Sums* partial = memory.take<Sums>(count);
  launch<sum_images>(dim3(static_cast<unsigned>(chunks), static_cast<unsigned>(sums.size())),
                     kSumThreads, 0, stream, size, r.data, partial);
  const std::vector<Sums> parts = memory.fetch(partial, count);
  std::ranges::fill(sums, ImageSums{});
  for (std::size_t i = 0; i < count; ++i) {
    ImageSums& of = sums[i / static_cast<std::size_t>(chunks)];
    of.sum += parts[i].sum, of.magnitude += parts[i].magnitude;
  }
}

bool output_serves(Stream stream, PartialMemory& memory, const OpTensor& y, const OpTensor& r) {
  const auto blocks = static_cast<std::size_t>(sum_chunks(floats(y)));
  int* found = memory.take<int>(blocks);
  launch<find_unserved>(dim3(static_cast<unsigned>(blocks)), kSumThreads, 0, stream,
                        index32(floats(y)), y.data, r.data, found);
  const std::vector<int> flags = memory.fetch(found, blocks);
  return std::ranges::all_of(flags, [](int flag) { return flag == 0; });
}

}  // namespace fovea::FOVEA_TARGET
