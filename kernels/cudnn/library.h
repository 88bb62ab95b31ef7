// cuDNN and cuBLAS as they are found when the program runs: nothing is linked with them.
#pragma once

#include <memory>
#include <source_location>
#include <string>

#include "kernels/cuda/library_runtime.h"
#include "kernels/cudnn/api.h"

namespace fovea::cudnn {

// Both libraries, loaded for as long as the program runs: they keep threads and memory of their
// own, which unloading would pull from under them.
struct Library {
  Api api;
  std::string version;  // "cuDNN 9.19.0, cuBLAS 13.1.0"
};

// File names as dlopen takes them: it looks into LD_LIBRARY_PATH and where the system keeps
// libraries, and a name with a slash is a path. Error with the loader's words, or that names the
// version or the function that does not fit.
[[nodiscard]] std::shared_ptr<const Library> open_library(const std::string& cudnn,
                                                          const std::string& cublas);

// What the operations of this folder run on.
using Runtime = LibraryRuntime<Library>;
using RuntimeScope = LibraryRuntimeScope<Library>;

// libcudnn.so.9, libcublas.so.N for the headers' N, and our CUDA kernels; opened at the first call.
[[nodiscard]] const Runtime& runtime();
// The functions; Error where there are none.
[[nodiscard]] const Api& api();

// Error with the library's own words unless `code` is success.
void check(cudnnStatus_t code, std::source_location where = std::source_location::current());
void check(cublasStatus_t code, std::source_location where = std::source_location::current());

}  // namespace fovea::cudnn
