// The functions of cuDNN 9 and cuBLAS that are called, as pointers that library.h fills. Their
// types come from the libraries' own headers, so that a call that does not fit is found when it is
// compiled.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

namespace fovea::cudnn {

// f(function) for every function of libcudnn.
#define FOVEA_CUDNN_FUNCTIONS(f)       \
  f(cudnnGetVersion);                  \
  f(cudnnGetErrorString);              \
  f(cudnnGetLastErrorString);          \
  f(cudnnCreate);                      \
  f(cudnnDestroy);                     \
  f(cudnnSetStream);                   \
  /* graphs of operations */           \
  f(cudnnBackendCreateDescriptor);     \
  f(cudnnBackendDestroyDescriptor);    \
  f(cudnnBackendSetAttribute);         \
  f(cudnnBackendGetAttribute);         \
  f(cudnnBackendFinalize);             \
  f(cudnnBackendExecute);              \
  /* single operations */              \
  f(cudnnCreateTensorDescriptor);      \
  f(cudnnDestroyTensorDescriptor);     \
  f(cudnnSetTensor4dDescriptorEx);     \
  f(cudnnAddTensor);                   \
  f(cudnnCreateActivationDescriptor);  \
  f(cudnnDestroyActivationDescriptor); \
  f(cudnnSetActivationDescriptor);     \
  f(cudnnActivationForward);           \
  f(cudnnCreatePoolingDescriptor);     \
  f(cudnnDestroyPoolingDescriptor);    \
  f(cudnnSetPooling2dDescriptor);      \
  f(cudnnPoolingForward);              \
  f(cudnnPoolingBackward);             \
  f(cudnnCreateLRNDescriptor);         \
  f(cudnnDestroyLRNDescriptor);        \
  f(cudnnSetLRNDescriptor);            \
  f(cudnnLRNCrossChannelForward);      \
  f(cudnnLRNCrossChannelBackward);     \
  f(cudnnSoftmaxForward);              \
  f(cudnnSoftmaxBackward)

// Of libcublas, by their names in the library.
#define FOVEA_CUBLAS_FUNCTIONS(f) \
  f(cublasGetProperty);           \
  f(cublasGetStatusString);       \
  f(cublasCreate_v2);             \
  f(cublasDestroy_v2);            \
  f(cublasSetStream_v2);          \
  f(cublasSetWorkspace_v2);       \
  f(cublasGemmEx)

struct Api {
#define FOVEA_POINTER(name) decltype(&::name) name = nullptr
  FOVEA_CUDNN_FUNCTIONS(FOVEA_POINTER);
  FOVEA_POINTER(cublasGetProperty);
  FOVEA_POINTER(cublasGetStatusString);
  FOVEA_POINTER(cublasCreate_v2);
  FOVEA_POINTER(cublasDestroy_v2);
  FOVEA_POINTER(cublasSetStream_v2);
  FOVEA_POINTER(cublasSetWorkspace_v2);
#undef FOVEA_POINTER
  // The header overloads this one for C++.
  cublasStatus_t (*cublasGemmEx)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int,
                                 int, const void*, const void*, cudaDataType, int, const void*,
                                 cudaDataType, int, const void*, void*, cudaDataType, int,
                                 cublasComputeType_t, cublasGemmAlgo_t) = nullptr;
};

}  // namespace fovea::cudnn
