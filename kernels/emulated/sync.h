// Barriers and fences of a block.
#pragma once

#include "kernels/emulated/block.h"

// NOLINTBEGIN: CUDA's names
namespace fovea::emulated {

using Where = std::source_location;

inline void __syncthreads(Where where = Where::current()) { Block::current().barrier(0, where); }
inline int __syncthreads_count(int predicate, Where where = Where::current()) {
  return Block::current().barrier(predicate, where).count;
}
inline int __syncthreads_and(int predicate, Where where = Where::current()) {
  return Block::current().barrier(predicate, where).all;
}
inline int __syncthreads_or(int predicate, Where where = Where::current()) {
  return Block::current().barrier(predicate, where).any;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

}  // namespace fovea::emulated
// NOLINTEND
