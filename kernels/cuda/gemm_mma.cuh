// Implicit matrix product on tensor cores: D(m,n) = sum_k A(m,k) B(k,n), operands rounded to tf32
// or bf16 in memory, sums in single precision.
//
//   block: a tile of kM x kN; warp: kWarpM x kWarpN of it in pieces of 16 x 8
//   shared memory: kStages blocks of 32 words of k (32 tf32, 64 bf16), filled by cp.async ahead of
//   their use; one barrier per block of k; fragments of the next step are loaded while the current
//   one is multiplied
//   operands along k: rows of 128 bytes, 16-byte piece c of row r at c ^ (r % 8), so that neither
//   cp.async nor ldmatrix meets a bank twice; operands along rows: bf16 likewise, read by
//   ldmatrix.trans; tf32 with rows padded by 8 words, read word by word without conflicts
//   per block of k and tile: 128 (kM + kN) bytes read
//   PTX ISA, "mma.sync", "ldmatrix"; CUTLASS efficient_gemm.md (multistage pipeline)
#pragma once

#include <type_traits>

#include "kernels/cuda/device/matrix.cuh"
#include "kernels/cuda/gemm_problem.cuh"

namespace fovea::FOVEA_TARGET {

struct Tf32Format {
  using Element = float;
  static constexpr int kPerWord = 1;
  static __device__ __forceinline__ void multiply(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};
struct Bf16Format {
  using Element = std::uint16_t;  // the upper half of a float
  static constexpr int kPerWord = 2;
  static __device__ __forceinline__ void multiply(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};

template <class Format_, int kM_, int kN_, int kWarpM_, int kWarpN_, int kStages_, int kBlocks_>
struct MmaTile {
  using Format = Format_;
  static constexpr int kM = kM_, kN = kN_, kWarpM = kWarpM_, kWarpN = kWarpN_;
  static constexpr int kStages = kStages_, kBlocks = kBlocks_;
  static constexpr int kWords = 32, kDepth = kWords * Format::kPerWord;
  static constexpr int kColumnsOfWarps = kN / kWarpN;
  static constexpr int kThreads = kM / kWarpM * kColumnsOfWarps * 32;
  static constexpr int kTall = kWarpM / 16, kWide = kWarpN / 8;  // pieces of a warp
};

// One operand's place in a stage, in words. kExtent: its rows in the tile.
template <class Format, class Operand, int kExtent>
struct MmaLayout {
  static constexpr int kPer = Format::kPerWord;
  static constexpr int kPitch =  // words from line to line
      Operand::kAlongDepth ? 32
      : kPer == 2          ? kExtent / 2
                           : kExtent + 8;
  static constexpr int kCount = (Operand::kAlongDepth ? kExtent : 32 * kPer) * kPitch;
  static constexpr bool kSwizzled = Operand::kAlongDepth || kPer == 2;

  // Word at which 16-byte piece `piece` of line `line` begins.
  static __device__ __forceinline__ int place(int line, int piece) {
    return line * kPitch + (kSwizzled ? piece ^ (line & 7) : piece) * 4;
  }

  // Fragments of 16 rows from row0 on, step `step` (8 words of k).
  template <class Words>
  static __device__ __forceinline__ void load_a(Words&& words, int base, int row0, int step,
                                                int lane, std::uint32_t (&a)[4]) {
    const int i = lane % 8, m = lane / 8;
    if constexpr (Operand::kAlongDepth) {
      ldmatrix_x4(a, &words[base + place(row0 + m % 2 * 8 + i, 2 * step + m / 2)]);
    } else if constexpr (kPer == 2) {
      ldmatrix_x4_trans(a, &words[base + place(step * 16 + m / 2 * 8 + i, row0 / 8 + m % 2)]);
    } else {
      const int g = lane / 4, k = step * 8 + lane % 4;
#pragma unroll
      for (int e = 0; e < 4; ++e)
        a[e] = words[base + (k + e / 2 * 4) * kPitch + row0 + e % 2 * 8 + g];
    }
  }
  // Fragments of 16 columns from row0 on: b[0], b[1] of the first eight, b[2], b[3] of the others.
  template <class Words>
  static __device__ __forceinline__ void load_b(Words&& words, int base, int row0, int step,
                                                int lane, std::uint32_t (&b)[4]) {
    const int i = lane % 8, m = lane / 8;
    if constexpr (Operand::kAlongDepth) {
      ldmatrix_x4(b, &words[base + place(row0 + m / 2 * 8 + i, 2 * step + m % 2)]);
    } else if constexpr (kPer == 2) {
      ldmatrix_x4_trans(b, &words[base + place(step * 16 + m % 2 * 8 + i, row0 / 8 + m / 2)]);
    } else {
      const int g = lane / 4, k = step * 8 + lane % 4;
#pragma unroll
      for (int e = 0; e < 4; ++e)
        b[e] = words[base + (k + e % 2 * 4) * kPitch + row0 + e / 2 * 8 + g];
    }
  }
};

template <class Tile, class A, class B>
struct MmaLoop {
  using Format = typename Tile::Format;
  using ShareA = Share<Tile::kM, Tile::kDepth, A::kVector, Tile::kThreads, A::kAlongDepth>;
  using ShareB = Share<Tile::kN, Tile::kDepth, B::kVector, Tile::kThreads, B::kAlongDepth>;
  using LayoutA = MmaLayout<Format, A, Tile::kM>;
  using LayoutB = MmaLayout<Format, B, Tile::kN>;
  using Sums = float[Tile::kTall][Tile::kWide][4];
  static constexpr int kStageWords = LayoutA::kCount + LayoutB::kCount;
  static constexpr int kSharedBytes = Tile::kStages * kStageWords * 4;
  static constexpr int kSteps = Tile::kWords / 8;

  template <class Words>
  static __device__ __forceinline__ void run(const typename A::Params& pa,
                                             const typename A::Element* a,
                                             const typename B::Params& pb,
                                             const typename B::Element* b, const GemmPlace& at,
                                             Words&& words, Sums& sums) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
    const int row0 = warp / Tile::kColumnsOfWarps * Tile::kWarpM;
    const int column0 = warp % Tile::kColumnsOfWarps * Tile::kWarpN;
    typename A::template Reader<ShareA> reader_a(pa, a, at.row0, at.k0, thread);
    typename B::template Reader<ShareB> reader_b(pb, b, at.column0, at.k0, thread);
    const auto fetch = [&](int block) {
      if (block < at.blocks) {
        const int base = block % Tile::kStages * kStageWords;
        copy<A, ShareA, LayoutA>(reader_a, words, base, thread);
        copy<B, ShareB, LayoutB>(reader_b, words, base + LayoutA::kCount, thread);
        reader_a.next();
        reader_b.next();
      }
      async_copy_commit();  // empty groups keep the count of what is under way
    };
#pragma unroll
    for (int block = 0; block < Tile::kStages - 1; ++block) fetch(block);
    for (int block = 0; block < at.blocks; ++block) {
      async_copy_wait<Tile::kStages - 2>();
      __syncthreads();
      fetch(block + Tile::kStages - 1);
      const int base = block % Tile::kStages * kStageWords;
      std::uint32_t fa[2][Tile::kTall][4], fb[2][Tile::kWide / 2][4];
      load(words, base, row0, column0, 0, lane, fa[0], fb[0]);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        if (step + 1 < kSteps)
          load(words, base, row0, column0, step + 1, lane, fa[(step + 1) % 2], fb[(step + 1) % 2]);
        multiply(fa[step % 2], fb[step % 2], sums);
      }
    }
    async_copy_wait_all();
  }

 private:
  template <class Operand, class S, class Layout, class Reader, class Words>
  static __device__ __forceinline__ void copy(const Reader& reader, Words&& words, int base,
                                              int thread) {
    const int piece = S::position(thread) / Operand::kVector;
#pragma unroll
    for (int i = 0; i < S::kCount; ++i) {
      if (!S::holds(thread, i)) continue;
      const auto from = reader.piece(i);
      async_copy<16>(&words[base + Layout::place(S::line(thread, i), piece)], from.address,
                     from.there ? 16 : 0);
    }
  }
  template <class Words>
  static __device__ __forceinline__ void load(Words&& words, int base, int row0, int column0,
                                              int step, int lane,
                                              std::uint32_t (&fa)[Tile::kTall][4],
                                              std::uint32_t (&fb)[Tile::kWide / 2][4]) {
#pragma unroll
    for (int i = 0; i < Tile::kTall; ++i)
      LayoutA::load_a(words, base, row0 + i * 16, step, lane, fa[i]);
#pragma unroll
    for (int j = 0; j < Tile::kWide / 2; ++j)
      LayoutB::load_b(words, base + LayoutA::kCount, column0 + j * 16, step, lane, fb[j]);
  }
  static __device__ __forceinline__ void multiply(const std::uint32_t (&fa)[Tile::kTall][4],
                                                  const std::uint32_t (&fb)[Tile::kWide / 2][4],
                                                  Sums& sums) {
#pragma unroll
    for (int i = 0; i < Tile::kTall; ++i) {
#pragma unroll
      for (int j = 0; j < Tile::kWide; ++j) {
        const std::uint32_t b[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
        Format::multiply(sums[i][j], fa[i], b);
      }
    }
  }
};

template <class Tile, class A, class B, int kClasses, class Output>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    gemm_mma(const __grid_constant__ GemmProblem<A, B, kClasses, Output> p) {
  FOVEA_DYNAMIC_SHARED(memory);
  using Loop = MmaLoop<Tile, A, B>;
  const auto words =
      shared_span<std::uint32_t>(memory, 0, std::int64_t{Tile::kStages} * Loop::kStageWords);
  const GemmPlace at = gemm_place<Tile>(p);
  const Output& out = p.out[at.which];
  if (at.row0 >= out.rows) return;  // classes differ in size
  typename Loop::Sums sums{};
  Loop::run(p.a[at.which], p.a[at.which].data + at.group * p.a_group, p.b[at.which],
            p.b[at.which].data + at.group * p.b_group, at, words, sums);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int row0 = at.row0 + warp / Tile::kColumnsOfWarps * Tile::kWarpM + lane / 4;
  const int column0 = at.column0 + warp % Tile::kColumnsOfWarps * Tile::kWarpN + lane % 4 * 2;
  const bool partial = p.splits > 1;
  float* data = gemm_destination(p, at);
#pragma unroll
  for (int i = 0; i < 2 * Tile::kTall; ++i) {
    const int row = row0 + i * 8;
    if (row >= out.rows) continue;
    int to = row * out.columns;
    if constexpr (!kInParts<Output>) {
      if (!partial) to = out.place(row);
    }
#pragma unroll
    for (int j = 0; j < Tile::kWide; ++j) {
      const int column = column0 + j * 8;
      float d[2] = {sums[i / 2][j][i % 2 * 2], sums[i / 2][j][i % 2 * 2 + 1]};
      if constexpr (kInParts<Output>) {
        if (!partial) {
          out.write(row, column, d);
          continue;
        }
      } else {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          if (!partial && column + e < out.columns)
            d[e] = out.finish(d[e], at.group * p.bias_group + column + e);
        }
      }
      if (out.vector && column + 2 <= out.columns) {
        *reinterpret_cast<float2*>(data + to + column) = make_float2(d[0], d[1]);
      } else {
        for (int e = 0; e < 2; ++e) {
          if (column + e < out.columns) data[to + column + e] = d[e];
        }
      }
    }
  }
}

}  // namespace fovea::FOVEA_TARGET
