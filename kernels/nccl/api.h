// The functions of NCCL 2 that are called, as pointers that library.h fills. Their types come from
// the library's own header, so that a call that does not fit is found when it is compiled.
#pragma once

#include <nccl.h>

namespace fovea::nccl {

// f(function) for every function of libnccl that is called.
#define FOVEA_NCCL_FUNCTIONS(f) \
  f(ncclGetVersion);            \
  f(ncclGetErrorString);        \
  f(ncclGetLastError);          \
  f(ncclGetUniqueId);           \
  f(ncclCommInitRankConfig);    \
  f(ncclCommGetAsyncError);     \
  f(ncclCommFinalize);          \
  f(ncclCommDestroy);           \
  f(ncclCommAbort);             \
  f(ncclGroupStart);            \
  f(ncclGroupEnd);              \
  f(ncclSend);                  \
  f(ncclRecv)

struct Api {
#define FOVEA_POINTER(name) decltype(&::name) name = nullptr
  FOVEA_NCCL_FUNCTIONS(FOVEA_POINTER);
#undef FOVEA_POINTER
};

}  // namespace fovea::nccl
