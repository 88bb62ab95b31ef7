// NCCL as it is found when the program runs: nothing is linked with it.
#pragma once

#include <memory>
#include <string>

#include "kernels/cuda/library_runtime.h"
#include "kernels/nccl/api.h"

namespace fovea::nccl {

// Loaded for as long as the program runs: it keeps threads of its own.
struct Library {
  Api api;
  std::string version;  // "NCCL 2.28.9"
};

// Error with the loader's words, or that names the version or the function that does not fit.
[[nodiscard]] std::shared_ptr<const Library> open_library(const std::string& name);

// What the sums of this folder run on.
using Runtime = LibraryRuntime<Library>;
using RuntimeScope = LibraryRuntimeScope<Library>;

// libnccl.so.2 and our CUDA kernels; opened at the first call.
[[nodiscard]] const Runtime& runtime();
// The functions; Error where there are none.
[[nodiscard]] const Api& api();

}  // namespace fovea::nccl
