// Caffe's SGD update of every parameter of a net in one launch.
//
//   A table of chunks of kChunk elements (of w, g, v, and the accumulated gradient) lies in device
//   memory.
//   block: one chunk; thread: four neighbouring elements, 16 bytes, at a time
//   bytes per element: update 20, accumulate 12, sum of squares 4
//   Caffe sgd_solver.cpp
#include <vector>

#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device_op.cuh"
#include "kernels/cuda/implementations.h"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256, kChunk = 1 << 14;

struct Chunk {
  float *w, *v;
  const float* g;  // as backward wrote it
  float* sum;      // accumulated; null: none
  int count;
  float rate, decay;
};

__device__ __forceinline__ float decayed(const SgdCall& call, float decay, float w) {
  if (!call.l1) return decay * w;
  return w > 0 ? decay : w < 0 ? -decay : 0.0F;
}

__global__ void update_all(const Chunk* chunks, const SgdCall* memory) {
  const Chunk c = chunks[blockIdx.x];
  const SgdCall call = *memory;
  const float* g = c.sum ? c.sum : c.g;
  const float rate = call.rate * c.rate;
  const auto history = [&](float w, float gradient, float v) {
    return call.momentum * v + rate * (call.gradient_scale * gradient + decayed(call, c.decay, w));
  };
  for (int i = static_cast<int>(threadIdx.x) * 4; i < c.count; i += 4 * kThreads) {
    if (i + 4 <= c.count) {
      const float4 w = load4(c.w + i), gradient = load4(g + i), old = load4(c.v + i);
      const float4 v =
          make_float4(history(w.x, gradient.x, old.x), history(w.y, gradient.y, old.y),
                      history(w.z, gradient.z, old.z), history(w.w, gradient.w, old.w));
      store4(c.v + i, v);
      store4(c.w + i, make_float4(w.x - v.x, w.y - v.y, w.z - v.z, w.w - v.w));
    } else {
      for (int k = i; k < c.count; ++k) {
        c.v[k] = history(c.w[k], g[k], c.v[k]);
        c.w[k] -= c.v[k];
      }
    }
  }
}

__global__ void accumulate_all(const Chunk* chunks, bool first) {
  const Chunk c = chunks[blockIdx.x];
  for (int i = static_cast<int>(threadIdx.x); i < c.count; i += kThreads)
    c.sum[i] = first ? c.g[i] : c.sum[i] + c.g[i];
}

__global__ void sum_squares(const Chunk* chunks, double* partial) {
  const Chunk c = chunks[blockIdx.x];
  const float* g = c.sum ? c.sum : c.g;
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < c.count; i += kThreads)
    sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  sum = block_reduce<kThreads>(sum, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// `first` gets the place of every blob's first chunk, and that behind the last.
std::vector<Chunk> chunks_of(std::span<const SgdBlob> blobs, std::vector<std::size_t>& first) {
  std::vector<Chunk> chunks;
  for (const SgdBlob& b : blobs) {
    first.push_back(chunks.size());
    for (std::int64_t at = 0; at < b.count; at += kChunk)
      chunks.push_back({b.weights + at, b.history + at, b.gradient + at,
                        b.accumulated ? b.accumulated + at : nullptr,
                        static_cast<int>(std::min<std::int64_t>(kChunk, b.count - at)), b.rate,
                        b.decay});
  }
  first.push_back(chunks.size());
  return chunks;
}

class DeviceSgd final : public SgdKernels {
 public:
  DeviceSgd(Device& device, const std::vector<Chunk>& chunks, std::vector<std::size_t> first)
      : device_(device),
        stream_(stream_of(device)),
        first_(std::move(first)),
        grid_(static_cast<unsigned>(chunks.size())),
        chunks_(device, chunks.size()),
        partial_(device, chunks.size()),
        call_(device, 1) {
    device.upload(chunks_.data(), chunks.data(), chunks_.bytes());
  }

  void update(const SgdCall& call) override {
    device_.upload(call_.data(), &call, sizeof call);
    if (chunks_.size() > 0)
      launch<update_all>(grid_, kThreads, 0, stream_, chunks_.data(), call_.data());
  }
  void accumulate(bool first, std::size_t from, std::size_t to) override {
    const std::size_t chunk = first_.at(from), count = first_.at(to) - chunk;
    if (count > 0)
      launch<accumulate_all>(static_cast<unsigned>(count), kThreads, 0, stream_,
                             chunks_.data() + chunk, first);
  }
  [[nodiscard]] double sum_of_squares() override {
    if (chunks_.size() == 0) return 0;
    launch<sum_squares>(grid_, kThreads, 0, stream_, chunks_.data(), partial_.data());
    std::vector<double> parts(partial_.size());
    device_.download(parts.data(), partial_.data(), partial_.bytes());
    double sum = 0;
    for (const double part : parts) sum += part;
    return sum;
  }

 private:
  Device& device_;
  Stream stream_;
  std::vector<std::size_t> first_;  // chunk of every blob
  dim3 grid_;
  DeviceBuffer<Chunk> chunks_;
  DeviceBuffer<double> partial_;
  DeviceBuffer<SgdCall> call_;
};

}  // namespace

std::unique_ptr<SgdKernels> make_sgd(Device& device, std::span<const SgdBlob> blobs);
std::unique_ptr<SgdKernels> make_sgd(Device& device, std::span<const SgdBlob> blobs) {
  std::vector<std::size_t> first;
  const std::vector<Chunk> chunks = chunks_of(blobs, first);
  return std::make_unique<DeviceSgd>(device, chunks, std::move(first));
}

}  // namespace fovea::FOVEA_TARGET
