#include "kernels/nccl/library.h"

#include <optional>

#include "engine/core/shared_library.h"
#include "kernels/cuda/implementations.h"

namespace fovea::nccl {
namespace {

std::string version_of(const Api& api, const std::string& name) {
  int version = 0;
  require(api.ncclGetVersion(&version) == ncclSuccess, "wrong ", name, ": it tells no version");
  // 2.28.9 is 22809.
  require(version / 10000 == NCCL_MAJOR, "wrong ", name, ": version ", version, ", expected ",
          NCCL_MAJOR, ".x");
  return str("NCCL ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

Runtime open_runtime() {
  Runtime found;
  try {
    found.support = cuda::target().library_support;
    require(found.support != nullptr, "this build has no CUDA kernels");
    found.library = open_library(str("libnccl.so.", NCCL_MAJOR));
  } catch (const Error& error) {
    found.missing = error.what();
  }
  return found;
}

std::optional<Runtime>& replaced() {
  static std::optional<Runtime> runtime;
  return runtime;
}

}  // namespace

std::shared_ptr<const Library> open_library(const std::string& name) {
  auto library = std::make_shared<Library>();
  Api& api = library->api;
  void* file = open_shared_library(name);
#define FOVEA_FIND(function) find_function(file, name, #function, api.function)
  FOVEA_NCCL_FUNCTIONS(FOVEA_FIND);
#undef FOVEA_FIND
  library->version = version_of(api, name);
  return library;
}

const Runtime& runtime() {
  if (replaced()) return *replaced();
  static const Runtime opened = open_runtime();
  return opened;
}

const Api& api() {
  require(runtime().library != nullptr, "no NCCL: ", runtime().missing);
  return runtime().library->api;
}

RuntimeScope::RuntimeScope(Runtime runtime) { replaced() = std::move(runtime); }
RuntimeScope::~RuntimeScope() { replaced().reset(); }

}  // namespace fovea::nccl
