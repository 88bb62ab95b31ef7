// Implicit matrix product in single precision: D(m,n) = sum_k A(m,k) B(k,n), one fused
// multiply-add after the other in the order of k.
//
//   block: a tile of kM x kN of D; thread: kThreadM x kThreadN of it, in pieces of four so that
//   shared memory is read 16 bytes at a time without bank conflicts
//   shared memory: two buffers of kDepth values of k, rows of k, padded by four; the next block of
//   k is on its way through registers while this one is multiplied; one barrier per block of k
//   per block of k and tile: 4 kDepth (kM + kN) bytes read, 2 kDepth kM kN operations
//   Volkov and Demmel 2008, "Benchmarking GPUs to tune dense linear algebra" (register blocking)
#pragma once

#include "kernels/cuda/gemm_problem.cuh"

namespace fovea::FOVEA_TARGET {

// kBlocks: blocks that share a multiprocessor, which bounds the registers of a thread.
template <int kM_, int kN_, int kThreadM_, int kThreadN_, int kDepth_, int kBlocks_>
struct FfmaTile {
  static constexpr int kM = kM_, kN = kN_, kThreadM = kThreadM_, kThreadN = kThreadN_;
  static constexpr int kDepth = kDepth_, kBlocks = kBlocks_, kPad = 4;
  static constexpr int kColumnsOfThreads = kN / kThreadN;
  static constexpr int kThreads = kM / kThreadM * kColumnsOfThreads;
  static_assert(kThreadM % 4 == 0 && kThreadN % 4 == 0);

  // Row (column) of the tile that value i of a thread in row (column) `t` of threads belongs to.
  static __device__ __forceinline__ int row(int t, int i) {
    return i / 4 * (kM / (kThreadM / 4)) + t * 4 + i % 4;
  }
  static __device__ __forceinline__ int column(int t, int i) {
    return i / 4 * (kN / (kThreadN / 4)) + t * 4 + i % 4;
  }
};

// What is multiplied: operands as they are, one sum per element. A policy of its own may map
// operands on their way into shared memory, read several tensors in the place of A, and keep
// several sums (relevance_linear.cu).
struct PlainProduct {
  static constexpr int kTensorsA = 1, kSums = 1;
  [[nodiscard]] __device__ __forceinline__ float map_a(float a) const { return a; }
  [[nodiscard]] __device__ __forceinline__ float map_b(float b) const { return b; }
  template <int kM, int kN>
  __device__ __forceinline__ void add(float (&sum)[1][kM][kN], const float (&a)[1][kM],
                                      const float (&b)[kN]) const {
#pragma unroll
    for (int i = 0; i < kM; ++i) {
#pragma unroll
      for (int j = 0; j < kN; ++j) sum[0][i][j] = __fmaf_rn(a[0][i], b[j], sum[0][i][j]);
    }
  }
};

// Brings a thread's pieces of one operand from global memory through registers to shared memory.
template <class Operand, class S, int kTensors>
struct FfmaStage {
  static constexpr int kVector = Operand::kVector;
  float value[kTensors][S::kCount][kVector];

  // Tensor t lies `apart` * t elements behind the first.
  template <class Reader>
  __device__ __forceinline__ void load(const Reader& reader, std::int32_t apart) {
#pragma unroll
    for (int i = 0; i < S::kCount; ++i) {
      const Piece<float> piece = reader.piece(i);
#pragma unroll
      for (int t = 0; t < kTensors; ++t) {
        if constexpr (kVector == 4) {
          const float4 v = piece.there ? load4(piece.address + t * apart) : make_float4(0, 0, 0, 0);
          value[t][i][0] = v.x, value[t][i][1] = v.y, value[t][i][2] = v.z, value[t][i][3] = v.w;
        } else {
          value[t][i][0] = piece.there ? piece.address[t * apart] : 0.0F;
        }
      }
    }
  }
  // `tile` is [tensor][k][row]. Absent values stay zero only if map(0) = 0.
  template <class Tile, class Map>
  __device__ __forceinline__ void store(Tile&& tile, int thread, const Map& map) const {
    const int position = S::position(thread);
#pragma unroll
    for (int i = 0; i < S::kCount; ++i) {
      if (!S::holds(thread, i)) continue;
      const int line = S::line(thread, i);
#pragma unroll
      for (int t = 0; t < kTensors; ++t) {
        const auto& v = value[t][i];
        if constexpr (Operand::kAlongDepth) {
#pragma unroll
          for (int e = 0; e < kVector; ++e) tile[t][position + e][line] = map(v[e]);
        } else if constexpr (kVector == 4) {
          store4(&tile[t][line][position], make_float4(map(v[0]), map(v[1]), map(v[2]), map(v[3])));
        } else {
          tile[t][line][position] = map(v[0]);
        }
      }
    }
  }
};

// The sums of one tile over `blocks` blocks of k from k0 on.
template <class Tile, class A, class B, class Product>
struct FfmaLoop {
  using ShareA = Share<Tile::kM, Tile::kDepth, A::kVector, Tile::kThreads, A::kAlongDepth>;
  using ShareB = Share<Tile::kN, Tile::kDepth, B::kVector, Tile::kThreads, B::kAlongDepth>;
  using Sums = float[Product::kSums][Tile::kThreadM][Tile::kThreadN];

  // shared_a [2][tensors of A][kDepth][kM + kPad], shared_b [2][1][kDepth][kN + kPad]
  template <class SharedA, class SharedB>
  static __device__ __forceinline__ void run(const typename A::Params& pa, const float* a,
                                             const typename B::Params& pb, const float* b, int row0,
                                             int column0, int k0, int blocks, std::int32_t apart,
                                             const Product& product, SharedA&& shared_a,
                                             SharedB&& shared_b, Sums& sums) {
    const int thread = static_cast<int>(threadIdx.x);
    typename A::template Reader<ShareA> reader_a(pa, a, row0, k0, thread);
    typename B::template Reader<ShareB> reader_b(pb, b, column0, k0, thread);
    FfmaStage<A, ShareA, Product::kTensorsA> stage_a;
    FfmaStage<B, ShareB, 1> stage_b;
    const auto map_a = [&](float v) { return product.map_a(v); };
    const auto map_b = [&](float v) { return product.map_b(v); };
    if (blocks > 0) {
      stage_a.load(reader_a, apart);
      stage_b.load(reader_b, 0);
      stage_a.store(shared_a[0], thread, map_a);
      stage_b.store(shared_b[0], thread, map_b);
    }
    __syncthreads();
    for (int block = 0; block < blocks; ++block) {
      const int now = block & 1;
      const bool more = block + 1 < blocks;
      if (more) {
        reader_a.next();
        reader_b.next();
        stage_a.load(reader_a, apart);
        stage_b.load(reader_b, 0);
      }
      multiply(product, shared_a[now], shared_b[now], thread, sums);
      if (more) {
        stage_a.store(shared_a[now ^ 1], thread, map_a);
        stage_b.store(shared_b[now ^ 1], thread, map_b);
      }
      __syncthreads();
    }
  }

 private:
  template <class TileA, class TileB>
  static __device__ __forceinline__ void multiply(const Product& product, TileA&& tile_a,
                                                  TileB&& tile_b, int thread, Sums& sums) {
    const int ty = thread / Tile::kColumnsOfThreads, tx = thread % Tile::kColumnsOfThreads;
#pragma unroll 2  // more would hold more fragments than there are registers
    for (int k = 0; k < Tile::kDepth; ++k) {
      float a[Product::kTensorsA][Tile::kThreadM], b[Tile::kThreadN];
#pragma unroll
      for (int t = 0; t < Product::kTensorsA; ++t) {
#pragma unroll
        for (int i = 0; i < Tile::kThreadM; i += 4)
          unpack(load4(&tile_a[t][k][Tile::row(ty, i)]), a[t] + i);
      }
#pragma unroll
      for (int j = 0; j < Tile::kThreadN; j += 4)
        unpack(load4(&tile_b[0][k][Tile::column(tx, j)]), b + j);
      product.add(sums, a, b);
    }
  }
  static __device__ __forceinline__ void unpack(float4 v, float* to) {
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  }
};

// Writes four neighbouring columns of one row.
template <class Output>
__device__ __forceinline__ void write_four(const Output& out, float* data, int at, int column,
                                           const float (&d)[4]) {
  if (out.vector && column + 4 <= out.columns) {
    store4(data + at + column, make_float4(d[0], d[1], d[2], d[3]));
  } else {
    for (int e = 0; e < 4; ++e) {
      if (column + e < out.columns) data[at + column + e] = d[e];
    }
  }
}

template <class Tile, class A, class B, int kClasses, class Output>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    gemm_ffma(const __grid_constant__ GemmProblem<A, B, kClasses, Output> p) {
  FOVEA_SHARED(float, shared_a, 2, 1, Tile::kDepth, Tile::kM + Tile::kPad);
  FOVEA_SHARED(float, shared_b, 2, 1, Tile::kDepth, Tile::kN + Tile::kPad);
  using Loop = FfmaLoop<Tile, A, B, PlainProduct>;
  const GemmPlace at = gemm_place<Tile>(p);
  const Output& out = p.out[at.which];
  if (at.row0 >= out.rows) return;  // classes differ in size
  typename Loop::Sums sums{};
  Loop::run(p.a[at.which], p.a[at.which].data + at.group * p.a_group, p.b[at.which],
            p.b[at.which].data + at.group * p.b_group, at.row0, at.column0, at.k0, at.blocks, 0,
            PlainProduct{}, shared_a, shared_b, sums);
  const int thread = static_cast<int>(threadIdx.x);
  const int ty = thread / Tile::kColumnsOfThreads, tx = thread % Tile::kColumnsOfThreads;
  const bool partial = p.splits > 1;
  float* data = gemm_destination(p, at);
#pragma unroll
  for (int i = 0; i < Tile::kThreadM; ++i) {
    const int row = at.row0 + Tile::row(ty, i);
    if (row >= out.rows) continue;
    int to = row * out.columns;
    if constexpr (!kInParts<Output>) {
      if (!partial) to = out.place(row);
    }
#pragma unroll
    for (int j = 0; j < Tile::kThreadN; j += 4) {
      const int column = at.column0 + Tile::column(tx, j);
      float d[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) d[e] = sums[0][i][j + e];
      if constexpr (kInParts<Output>) {
        if (!partial) {
          out.write(row, column, d);
          continue;
        }
      } else {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          if (!partial && column + e < out.columns)
            d[e] = out.finish(d[e], at.group * p.bias_group + column + e);
        }
      }
      write_four(out, data, to, column, d);
    }
  }
}

}  // namespace fovea::FOVEA_TARGET
