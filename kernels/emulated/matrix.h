// ldmatrix and mma.sync as warp collectives. Fragment layouts: PTX ISA, "Matrix fragments for
// mma.m16n8k8 / m16n8k16" and "ldmatrix". Operands are read as the tensor core reads them (tf32:
// the upper 19 bits); products are exact, sums are rounded to nearest in float32, whereas the
// hardware truncates.
#pragma once

#include <bit>

#include "kernels/emulated/warp.h"

namespace fovea::emulated {

// D += A B; A 16x8, B 8x8, D 16x8.
void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                      Where where = Where::current());
// D += A B; A 16x16, B 16x8, D 16x8.
void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       Where where = Where::current());

// kCount 8x8 matrices of 16-bit elements; lane i holds the address of row i % 8 of matrix i / 8.
// r[m] of lane l: elements (l / 4, 2 (l % 4)) and the one right of it; transposed: (2 (l % 4), l /
// 4) and the one below it.
void load_matrices(std::uint32_t* r, int count, bool transposed, const void* row, Where where);

inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, Where where = Where::current()) {
  load_matrices(r, 4, false, row, where);
}
inline void ldmatrix_x2(std::uint32_t (&r)[2], const void* row, Where where = Where::current()) {
  load_matrices(r, 2, false, row, where);
}
inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row,
                              Where where = Where::current()) {
  load_matrices(r, 4, true, row, where);
}
inline void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* row,
                              Where where = Where::current()) {
  load_matrices(r, 2, true, row, where);
}

}  // namespace fovea::emulated
