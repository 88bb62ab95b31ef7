#include "kernels/nccl/library.h"

#include "engine/core/shared_library.h"

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
  if (const auto& replaced = RuntimeScope::replaced()) return *replaced;
  static const Runtime opened =
      open_library_runtime<Library>([] { return open_library(str("libnccl.so.", NCCL_MAJOR)); });
  return opened;
}

const Api& api() {
  require(runtime().library != nullptr, "no NCCL: ", runtime().missing);
  return runtime().library->api;
}

}  // namespace fovea::nccl
