#include "kernels/emulated/matrix.h"

namespace fovea::emulated {
namespace {

constexpr std::uint32_t kFullWarp = 0xFFFFFFFF;

struct Fragments {
  std::uint32_t a[4], b[2];
  float d[4];
};
struct Result {
  float d[4];
};

float tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xFFFFE000); }
float bf16(std::uint32_t pair, unsigned half) {
  return std::bit_cast<float>(half == 0 ? pair << 16 : pair & 0xFFFF0000);
}

// Element (row, k) of A and (k, column) of B, where every lane holds `kPer` neighbours along k.
template <unsigned kDepth, class Value>
void multiply(const LaneValues<Fragments>& in, const LaneValues<Result>& out, Value&& value) {
  constexpr unsigned kPer = kDepth / 8;  // elements of a 32-bit register
  float a[16][kDepth], b[kDepth][8], d[16][8];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const unsigned group = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < kPer; ++i) {
      for (unsigned r = 0; r < 4; ++r)
        a[group + r % 2 * 8][r / 2 * (4 * kPer) + t * kPer + i] = value(in[lane].a[r], i);
      for (unsigned r = 0; r < 2; ++r)
        b[r * (4 * kPer) + t * kPer + i][group] = value(in[lane].b[r], i);
    }
    for (unsigned r = 0; r < 4; ++r) d[group + r / 2 * 8][2 * t + r % 2] = in[lane].d[r];
  }
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned k = 0; k < kDepth; ++k) {
      for (unsigned column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    for (unsigned r = 0; r < 4; ++r)
      out[lane].d[r] = d[lane / 4 + r / 2 * 8][2 * (lane % 4) + r % 2];
  }
}

template <class Combine>
void run(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Combine combine,
         Where where) {
  const Fragments mine{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
  const auto result = warp_collective<Result>(kFullWarp, mine, combine, where);
  for (int i = 0; i < 4; ++i) d[i] = result.d[i];
}

struct Rows {
  const std::byte* row;
  int count;
  bool transposed;
};
struct Loaded {
  std::uint32_t r[4];
};

std::uint16_t element(const LaneValues<Rows>& in, unsigned matrix, unsigned row, unsigned column) {
  std::uint16_t value;
  std::memcpy(&value, in[matrix * 8 + row].row + column * 2, sizeof value);
  return value;
}

}  // namespace

void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                      Where where) {
  run(
      d, a, b,
      [](std::uint32_t, auto in, auto out) {
        multiply<8>(in, out, [](std::uint32_t bits, unsigned) { return tf32(bits); });
      },
      where);
}

void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       Where where) {
  run(
      d, a, b,
      [](std::uint32_t, auto in, auto out) {
        multiply<16>(in, out, [](std::uint32_t bits, unsigned half) { return bf16(bits, half); });
      },
      where);
}

void load_matrices(std::uint32_t* r, int count, bool transposed, const void* row, Where where) {
  const bool used = Block::thread().lane() < static_cast<unsigned>(8 * count);
  if (used && reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    fault("ldmatrix from an address that is no multiple of 16", where);
  if (used) Block::current().require_shared(row, 16, "ldmatrix");
  const auto loaded = warp_collective<Loaded>(
      kFullWarp, Rows{static_cast<const std::byte*>(row), count, transposed},
      [](std::uint32_t, auto in, auto out) {
        const bool flip = in[0].transposed;
        for (unsigned m = 0; m < static_cast<unsigned>(in[0].count); ++m) {
          for (unsigned lane = 0; lane < kWarpSize; ++lane) {
            const unsigned i = lane / 4, j = lane % 4 * 2;
            const std::uint32_t low = flip ? element(in, m, j, i) : element(in, m, i, j);
            const std::uint32_t high = flip ? element(in, m, j + 1, i) : element(in, m, i, j + 1);
            out[lane].r[m] = high << 16 | low;
          }
        }
      },
      where);
  for (int m = 0; m < count; ++m) r[m] = loaded.r[m];
}

}  // namespace fovea::emulated
