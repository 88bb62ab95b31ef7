// Tensor-core products and the loads that feed them, for a whole warp. Fragments: lane l = 4 g + t;
// with `per` elements to a register (tf32 1, bf16 2)
//   A (16 rows): a[0] row g, a[1] row g + 8, columns per t ...; a[2], a[3] the same, 4 per further
//   B (8 columns): b[0] column g, rows per t ...; b[1] 4 per further
//   D (16 x 8): d[0], d[1] row g, columns 2t and 2t + 1; d[2], d[3] row g + 8
// Source: PTX ISA, "Warp-level matrix instructions".
#pragma once

#include "kernels/cuda/device/async_copy.cuh"

#if defined(__CUDACC__)
namespace fovea::cuda {

// D += A B; A 16x8, B 8x8. The hardware reads the upper 19 bits of a and b: round before (tf32 has
// 10 explicit bits) or lose up to twice as much.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                                 const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// D += A B; A 16x16, B 16x8.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// 8x8 matrices of 16-bit elements (8 rows of 4 float for tf32); lane i holds the address of row i %
// 8 of matrix i / 8, a multiple of 16 bytes. r[m] of lane l: elements (l / 4, 2 (l % 4)) and the
// one right of it; _trans: (2 (l % 4), l / 4) and the one below it (16-bit elements only).
__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x2(std::uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}

}  // namespace fovea::cuda
#endif

namespace fovea::FOVEA_TARGET {

// Rounds to tf32, ties away from zero, as cvt.rna.tf32.f32 (which nvcc expands into the same two
// instructions). To be done where tensors are written, not in a main loop.
__device__ __forceinline__ float round_to_tf32(float x) {
  const std::uint32_t bits = __float_as_uint(x);
  const bool finite = (bits & 0x7F800000U) != 0x7F800000U;
  return finite ? __uint_as_float((bits + 0x1000U) & 0xFFFFE000U) : x;
}

}  // namespace fovea::FOVEA_TARGET
