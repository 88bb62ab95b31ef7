// Changes of layout between N C H W and N H W C.
//
//   x, y (N,C,H,W); rows of one are columns of the other: per image a transposition of (C, H W);
//   the one that is channels-last may be a slice of a wider tensor
//   block: a tile of 32 x 32 through shared memory, 32 x 8 threads; both sides touch 128 bytes of a
//   row at a time, the padding of one keeps shared memory free of bank conflicts
//   bytes per value: 8
#include "kernels/cuda/reorder.h"

#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kTile = 32, kRows = 8;

// Elements from line to line, and from image to image.
struct Pitches {
  int line;
  std::int64_t image;
};

// y[n][column][row] = x[n][row][column]
__global__ void transpose(int rows, int columns, const float* x, Pitches from, float* y,
                          Pitches to) {
  FOVEA_SHARED(float, tile, kTile, kTile + 1);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int column0 = static_cast<int>(blockIdx.x) * kTile,
            row0 = static_cast<int>(blockIdx.y) * kTile;
  const auto image = static_cast<std::int64_t>(blockIdx.z);
  for (int i = ty; i < kTile; i += kRows) {
    const int row = row0 + i, column = column0 + tx;
    if (row < rows && column < columns)
      tile[i][tx] = x[image * from.image + static_cast<std::int64_t>(row) * from.line + column];
  }
  __syncthreads();
  for (int i = ty; i < kTile; i += kRows) {
    const int column = column0 + i, row = row0 + tx;
    if (row < rows && column < columns)
      y[image * to.image + static_cast<std::int64_t>(column) * to.line + row] = tile[tx][i];
  }
}

Pitches pitches(const OpTensor& t) {
  const bool last = t.layout == Layout::kChannelsLast;
  return {last ? pixel_pitch(t) : index32(t.shape.h() * t.shape.w()), t.image_pitch()};
}

}  // namespace

void reorder(Device& device, const OpTensor& from, const OpTensor& to) {
  expects(from.shape == to.shape, "equal shapes on both sides of a reorder");
  expects(!is_blocked(from.layout) && !is_blocked(to.layout), "layouts that the device knows");
  const Shape& s = from.shape;
  const std::int64_t plane = s.h() * s.w();
  if (s.count() == 0) return;
  const bool slice = from.pitch > 0 || to.pitch > 0;
  if (!slice && (from.layout == to.layout || plane == 1 || s.c() == 1)) {
    device.copy(to.data, from.data, static_cast<std::size_t>(s.count()) * sizeof(float));
    return;
  }
  expects(from.layout != to.layout, "slices are copied from one layout into the other");
  const bool to_channels_last = to.layout == Layout::kChannelsLast;
  const std::int64_t rows = to_channels_last ? s.c() : plane,
                     columns = to_channels_last ? plane : s.c();
  const dim3 grid(blocks_for(columns, kTile).x, blocks_for(rows, kTile).x,
                  static_cast<unsigned>(s.n()));
  launch<transpose>(grid, dim3(kTile, kRows), 0, stream_of(device), index32(rows), index32(columns),
                    from.data, pitches(from), to.data, pitches(to));
}

}  // namespace fovea::FOVEA_TARGET
