// Relevance of some of a tensor's channels: of one input of a concatenation, or of chosen concepts.
//
//   thread: one value; neighbouring threads are neighbours in the memory that is written
//   bytes per value: take 8, keep 4 of those that go
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

// Of a tensor: index -> (n, h, w, c) in the order of its memory.
struct Walk {
  int count;
  bool channels_last;
  Divisor channels, columns, rows;
};
Walk walk_over(const OpTensor& t) {
  return {index32(t.shape.count()), t.layout == Layout::kChannelsLast, Divisor(t.shape.c()),
          Divisor(t.shape.w()), Divisor(t.shape.h())};
}
struct Place {
  int n, h, w, c;
};
__device__ __forceinline__ Place place(const Walk& walk, int at) {
  if (walk.channels_last) {
    const Quotient c = walk.channels.divide(at), w = walk.columns.divide(c.quotient),
                   h = walk.rows.divide(w.quotient);
    return {h.quotient, h.remainder, w.remainder, c.remainder};
  }
  const Quotient w = walk.columns.divide(at), h = walk.rows.divide(w.quotient),
                 c = walk.channels.divide(h.quotient);
  return {c.quotient, h.remainder, w.remainder, c.remainder};
}

__global__ void take(Walk walk, Strides source, int first, const float* from, float* to) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= walk.count) return;
  const Place p = place(walk, at);
  to[at] = from[p.n * source.image + p.h * source.row + p.w * source.column +
                (p.c + first) * source.channel];
}

__global__ void keep_some(Walk walk, const std::uint8_t* keep, float* r) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at < walk.count && keep[place(walk, at).c] == 0) r[at] = 0;
}

}  // namespace

void take_channels(Stream stream, const OpTensor& from, std::int64_t first, const OpTensor& to) {
  (void)index32(from.shape.count());
  launch<take>(blocks_for(to.shape.count(), kThreads), kThreads, 0, stream, walk_over(to),
               strides_of(from), index32(first), from.data, to.data);
}

void keep_channels(Stream stream, const std::uint8_t* keep, const OpTensor& r) {
  launch<keep_some>(blocks_for(r.shape.count(), kThreads), kThreads, 0, stream, walk_over(r), keep,
                    r.data);
}

}  // namespace fovea::FOVEA_TARGET
