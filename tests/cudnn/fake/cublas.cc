// cuBLAS: products of single-precision matrices that stand column by column.
#include <cublas_v2.h>

#include "fake.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t bytes = 0;
};

namespace {
std::set<const void*>& live() {
  static std::set<const void*> handles;
  return handles;
}
}  // namespace

extern "C" {

int fake_cublas_live() { return static_cast<int>(live().size()); }

cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value) {
  *value = type == MAJOR_VERSION ? 13 : type == MINOR_VERSION ? 1 : 0;
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasGetStatusString(cublasStatus_t) { return "the stand-in's own words"; }

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = new cublasContext();
  live().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (live().erase(handle) == 0) return CUBLAS_STATUS_INVALID_VALUE;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
// Takes the workspace away again, as the documentation says.
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  *handle = {stream, nullptr, 0};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
  if (!fake::aligned(workspace, 256)) return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = workspace, handle->bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_form,
                            cublasOperation_t b_form, int m, int n, int k, const void* alpha,
                            const void* a_data, cudaDataType a_type, int a_pitch,
                            const void* b_data, cudaDataType b_type, int b_pitch, const void* beta,
                            void* c_data, cudaDataType c_type, int c_pitch, cublasComputeType_t,
                            cublasGemmAlgo_t) {
  const bool plain =
      *static_cast<const float*>(alpha) == 1 && *static_cast<const float*>(beta) == 0;
  if (live().count(handle) == 0 || handle->bytes == 0 || !plain || a_type != CUDA_R_32F ||
      b_type != CUDA_R_32F || c_type != CUDA_R_32F || c_pitch < m ||
      a_pitch < (a_form == CUBLAS_OP_N ? m : k) || b_pitch < (b_form == CUBLAS_OP_N ? k : n))
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memset(handle->workspace, 0xFF, handle->bytes);
  const auto *a = static_cast<const float*>(a_data), *b = static_cast<const float*>(b_data);
  auto* c = static_cast<float*>(c_data);
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < m; ++i) {
      double sum = 0;
      for (int l = 0; l < k; ++l)
        sum +=
            static_cast<double>(a_form == CUBLAS_OP_N ? a[i + l * a_pitch] : a[l + i * a_pitch]) *
            (b_form == CUBLAS_OP_N ? b[l + j * b_pitch] : b[j + l * b_pitch]);
      c[i + j * c_pitch] = static_cast<float>(sum);
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
