// One CUDA thread as its kernel sees it, and how a kernel's mistake is reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

#include "engine/core/error.h"
#include "kernels/emulated/vector_types.h"

namespace fovea::emulated {

class Block;

inline constexpr unsigned kWarpSize = 32;

struct ThreadContext {
  uint3 thread{}, block{};
  dim3 block_dim, grid_dim;
  unsigned index = 0;      // of the thread in its block, x fastest
  Block* owner = nullptr;  // the running block
  [[nodiscard]] unsigned lane() const { return index % kWarpSize; }
};

// The running thread. Every host thread runs one CUDA thread at a time; fibers never change their
// host thread.
extern constinit thread_local ThreadContext* current_thread;
inline const ThreadContext& this_thread() { return *current_thread; }

// Ends the launch with an Error: "kernel NAME: <what>, block (x,y,z), thread (x,y,z)".
[[noreturn]] void fault(const std::string& what);
// The same, with where it stands in the source.
[[noreturn]] void fault(const std::string& what, std::source_location where);

// "file.cu:12" without the folders.
[[nodiscard]] std::string place(std::source_location where);

}  // namespace fovea::emulated

// NOLINTBEGIN: CUDA's names
#define threadIdx (::fovea::emulated::this_thread().thread)
#define blockIdx (::fovea::emulated::this_thread().block)
#define blockDim (::fovea::emulated::this_thread().block_dim)
#define gridDim (::fovea::emulated::this_thread().grid_dim)
// NOLINTEND
