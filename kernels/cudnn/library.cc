#include "kernels/cudnn/library.h"

#include "engine/core/shared_library.h"

namespace fovea::cudnn {
namespace {

std::string version_of(const Api& api, const std::string& cudnn_name,
                       const std::string& cublas_name) {
  // 9.19.0 is 91900.
  const std::size_t cudnn = api.cudnnGetVersion();
  require(cudnn / 10000 == CUDNN_MAJOR, "wrong ", cudnn_name, ": version ", cudnn, ", expected ",
          CUDNN_MAJOR, ".x");
  int cublas[3] = {};
  for (const auto part : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL})
    require(api.cublasGetProperty(part, &cublas[part]) == CUBLAS_STATUS_SUCCESS, "wrong ",
            cublas_name, ": it tells no version");
  return str("cuDNN ", cudnn / 10000, ".", cudnn / 100 % 100, ".", cudnn % 100, ", cuBLAS ",
             cublas[0], ".", cublas[1], ".", cublas[2]);
}

}  // namespace

std::shared_ptr<const Library> open_library(const std::string& cudnn, const std::string& cublas) {
  auto library = std::make_shared<Library>();
  Api& api = library->api;
  void* file = open_shared_library(cudnn);
#define FOVEA_FIND(name) find_function(file, cudnn, #name, api.name)
  FOVEA_CUDNN_FUNCTIONS(FOVEA_FIND);
#undef FOVEA_FIND
  file = open_shared_library(cublas);
#define FOVEA_FIND(name) find_function(file, cublas, #name, api.name)
  FOVEA_CUBLAS_FUNCTIONS(FOVEA_FIND);
#undef FOVEA_FIND
  library->version = version_of(api, cudnn, cublas);
  return library;
}

const Runtime& runtime() {
  if (const auto& replaced = RuntimeScope::replaced()) return *replaced;
  static const Runtime opened = open_library_runtime<Library>([] {
    return open_library(str("libcudnn.so.", CUDNN_MAJOR), str("libcublas.so.", CUBLAS_VER_MAJOR));
  });
  return opened;
}

const Api& api() {
  require(runtime().library != nullptr, "no cuDNN: ", runtime().missing);
  return runtime().library->api;
}

void check(cudnnStatus_t code, std::source_location where) {
  if (code == CUDNN_STATUS_SUCCESS) return;
  char words[256] = "";
  api().cudnnGetLastErrorString(words, sizeof words);
  throw Error(str("cuDNN: ", api().cudnnGetErrorString(code), *words ? ": " : "", words, " at ",
                  where.file_name(), ":", where.line()));
}

void check(cublasStatus_t code, std::source_location where) {
  if (code == CUBLAS_STATUS_SUCCESS) return;
  throw Error(str("cuBLAS: ", api().cublasGetStatusString(code), " at ", where.file_name(), ":",
                  where.line()));
}

}  // namespace fovea::cudnn
