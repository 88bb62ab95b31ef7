// The sums of kernels/nccl on a stand-in for the library (fake/) and on the emulated device:
// everything but the library's own work is what runs on a GPU.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "kernels/cuda/implementations.h"
#include "kernels/nccl/library.h"

namespace fovea {

class FakeNccl {
 public:
  explicit FakeNccl(const LibrarySupport* support = emulated::target().library_support)
      : scope_({nccl::open_library(FOVEA_FAKE_NCCL), support, {}}) {}
  // Whatever happened in the test, nobody was left joined.
  ~FakeNccl() {
    EXPECT_EQ(function<int (*)()>("fake_nccl_live")(), 0);
    for (const char* off : {"fail", "lose"}) set(off, 0);
    (void)on_the_way();
  }
  FakeNccl(const FakeNccl&) = delete;
  FakeNccl& operator=(const FakeNccl&) = delete;

  // Settings of the stand-in, see fake/.
  static void set(const char* name, int value) {
    function<void (*)(const char*, int)>("fake_nccl_set")(name, value);
  }
  // Messages that were sent and not received, when all have parted; then forgotten.
  static int on_the_way() { return function<int (*)()>("fake_nccl_on_the_way")(); }
  // Messages since the last question: on this stream, less those on others.
  static int on_stream(void* stream) {
    return function<int (*)(void*)>("fake_nccl_on_stream")(stream);
  }

 private:
  template <class Function>
  static Function function(const char* name) {
    return reinterpret_cast<Function>(dlsym(dlopen(FOVEA_FAKE_NCCL, RTLD_NOW), name));
  }
  nccl::RuntimeScope scope_;
};

}  // namespace fovea
