// The operations of kernels/cudnn on stand-ins for the libraries (fake/) and on the emulated
// device: everything but the libraries' own computing is what runs on a GPU.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "kernels/cuda/implementations.h"
#include "kernels/cudnn/implementations.h"
#include "kernels/cudnn/library.h"

namespace fovea {

class FakeRuntime {
 public:
  FakeRuntime()
      : scope_({cudnn::open_library(FOVEA_FAKE_CUDNN, FOVEA_FAKE_CUBLAS),
                emulated::target().library_support,
                {}}) {}

  // The stand-in stays loaded: the next test finds it as it was.
  ~FakeRuntime() {
    for (const char* off : {"workspace", "engines", "fail"}) set(off, 0);
    set("fuses", 1);
  }
  FakeRuntime(const FakeRuntime&) = delete;
  FakeRuntime& operator=(const FakeRuntime&) = delete;

  // Settings of the stand-in, see fake/.
  void set(const char* name, int value) const {
    function<void (*)(const char*, int)>(FOVEA_FAKE_CUDNN, "fake_set")(name, value);
  }
  [[nodiscard]] int get(const char* name) const {
    return function<int (*)(const char*)>(FOVEA_FAKE_CUDNN, "fake_get")(name);
  }
  // Handles and descriptors of both libraries that were made and not let go.
  [[nodiscard]] int live() const {
    return function<int (*)()>(FOVEA_FAKE_CUDNN, "fake_live")() +
           function<int (*)()>(FOVEA_FAKE_CUBLAS, "fake_cublas_live")();
  }

 private:
  template <class Function>
  static Function function(const char* file, const char* name) {
    return reinterpret_cast<Function>(dlsym(dlopen(file, RTLD_NOW), name));
  }
  cudnn::RuntimeScope scope_;
};

inline const Implementation& library_implementation(std::string_view name) {
  for (const Implementation* candidate : cudnn::offer().implementations) {
    if (candidate->name == name) return *candidate;
  }
  throw Error(str("no implementation ", name));
}

}  // namespace fovea
