// A library that operations may run on, as it is found when the program runs: nothing is linked
// with it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/core/error.h"
#include "kernels/cuda/implementations.h"
#include "kernels/cuda/library_support.h"

namespace fovea {

// Library: `Api api` and `std::string version`.
template <class Library>
struct LibraryRuntime {
  std::shared_ptr<const Library> library;  // null: none, see `missing`
  const LibrarySupport* support = nullptr;
  std::string missing;
};

// The library that open() gives, beside our CUDA kernels; its Error says why there is none.
template <class Library, class Open>
LibraryRuntime<Library> open_library_runtime(Open&& open) {
  LibraryRuntime<Library> found;
  try {
    found.support = cuda::target().library_support;
    require(found.support != nullptr, "this build has no CUDA kernels");
    found.library = open();
  } catch (const Error& error) {
    found.missing = error.what();
  }
  return found;
}

// While it lives, another runtime takes the place of the one that was found: tests run without a
// GPU.
template <class Library>
class LibraryRuntimeScope {
 public:
  explicit LibraryRuntimeScope(LibraryRuntime<Library> runtime) { replaced() = std::move(runtime); }
  ~LibraryRuntimeScope() { replaced().reset(); }
  LibraryRuntimeScope(const LibraryRuntimeScope&) = delete;
  LibraryRuntimeScope& operator=(const LibraryRuntimeScope&) = delete;

  static std::optional<LibraryRuntime<Library>>& replaced() {
    static std::optional<LibraryRuntime<Library>> runtime;
    return runtime;
  }
};

}  // namespace fovea
