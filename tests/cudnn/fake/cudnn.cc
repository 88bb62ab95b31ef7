// Handles and single operations. Settings: version (91900), fail (the next single operation returns
// CUDNN_STATUS_EXECUTION_FAILED).
#include <cudnn.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "fake.h"

namespace fake {
int& setting(const char* name) {
  static std::map<std::string, int> settings = {{"version", 91900}, {"fuses", 1}};
  return settings[name];
}
std::set<const void*>& live() {
  static std::set<const void*> objects;
  return objects;
}
}  // namespace fake

void fake_set(const char* name, int value) { fake::setting(name) = value; }
int fake_get(const char* name) { return fake::setting(name); }
int fake_live() { return static_cast<int>(fake::live().size()); }

struct cudnnContext {
  cudaStream_t stream = nullptr;
};
struct cudnnTensorStruct {
  fake::View view;
};
struct cudnnPoolingStruct {
  cudnnPoolingMode_t mode;
  int window[2], pad[2], stride[2];
};
struct cudnnLRNStruct {
  int size;
  double alpha, beta, k;
};
struct cudnnActivationStruct {
  cudnnActivationMode_t mode;
};

namespace {

constexpr auto kBad = CUDNN_STATUS_BAD_PARAM;

template <class T>
cudnnStatus_t create(T** object) {
  *object = fake::made(new T());
  return CUDNN_STATUS_SUCCESS;
}
template <class T>
cudnnStatus_t destroy(T* object) {
  return fake::destroyed(object) ? CUDNN_STATUS_SUCCESS : kBad;
}

template <class... T>
bool alive(const T*... objects) {
  return ((fake::live().count(objects) > 0) && ...);
}
// result = 1 * operation + 0 * result is all that is asked of it.
bool plain(const void* alpha, const void* beta) {
  return *static_cast<const float*>(alpha) == 1 && *static_cast<const float*>(beta) == 0;
}
fake::View view(cudnnTensorDescriptor_t descriptor, const void* data) {
  fake::View v = descriptor->view;
  v.data = const_cast<void*>(data);
  return v;
}
cudnnStatus_t outcome() {
  int& fail = fake::setting("fail");
  const bool fails = fail > 0;
  fail = 0;
  return fails ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

// Taps of window (p, q) inside the image; the first of equal maxima is not the one that is chosen.
template <class Body>
void for_taps(const cudnnPoolingStruct& pool, const fake::View& x, std::int64_t p, std::int64_t q,
              Body&& body) {
  for (int r = 0; r < pool.window[0]; ++r) {
    for (int s = 0; s < pool.window[1]; ++s) {
      const std::int64_t h = p * pool.stride[0] - pool.pad[0] + r,
                         w = q * pool.stride[1] - pool.pad[1] + s;
      if (h >= 0 && h < x.extents[2] && w >= 0 && w < x.extents[3]) body(h, w);
    }
  }
}
bool fits(const cudnnPoolingStruct& pool, const fake::View& x, const fake::View& y) {
  for (int axis = 0; axis < 2; ++axis) {
    const std::int64_t span = x.extents[2 + axis] + 2 * pool.pad[axis] - pool.window[axis];
    if (y.extents[2 + axis] != span / pool.stride[axis] + 1) return false;
  }
  return x.extents[0] == y.extents[0] && x.extents[1] == y.extents[1];
}

// k + alpha / n * sum of squares over n channels, of which (n - 1) / 2 lie below.
double scale(const cudnnLRNStruct& lrn, const fake::View& x, std::int64_t n, std::int64_t c,
             std::int64_t h, std::int64_t w) {
  double sum = 0;
  const std::int64_t first = c - (lrn.size - 1) / 2;
  for (std::int64_t i = std::max<std::int64_t>(first, 0);
       i < std::min(first + lrn.size, x.extents[1]); ++i)
    sum += std::pow(x.get(n, i, h, w), 2);
  return lrn.k + lrn.alpha / lrn.size * sum;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return static_cast<size_t>(fake::setting("version")); }
const char* cudnnGetErrorString(cudnnStatus_t code) {
  return code == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
         : code == kBad                        ? "CUDNN_STATUS_BAD_PARAM"
                                               : "CUDNN_STATUS_NOT_SUPPORTED";
}
void cudnnGetLastErrorString(char* message, size_t size) {
  std::strncpy(message, "the stand-in's own words", size);
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) { return create(handle); }
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) { return destroy(handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (!alive(handle)) return kBad;
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* d) { return create(d); }
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d) { return destroy(d); }
cudnnStatus_t cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t d, cudnnDataType_t type, int n,
                                           int c, int h, int w, int ns, int cs, int hs, int ws) {
  if (!alive(d) || type != CUDNN_DATA_FLOAT) return kBad;
  d->view = {{n, c, h, w}, {ns, cs, hs, ws}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnAddTensor(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t ad,
                             const void* a, const void* beta, cudnnTensorDescriptor_t cd,
                             void* c_data) {
  if (!alive(handle, ad, cd) || *static_cast<const float*>(alpha) != 1 ||
      *static_cast<const float*>(beta) != 1)
    return kBad;
  const fake::View b = view(ad, a), y = view(cd, c_data);
  for (int axis = 0; axis < 4; ++axis) {
    if (b.extents[axis] != 1 && b.extents[axis] != y.extents[axis]) return kBad;
  }
  y.for_each([&](auto n, auto c, auto h, auto w) {
    y.set(n, c, h, w,
          y.get(n, c, h, w) + b.get(b.extents[0] > 1 ? n : 0, b.extents[1] > 1 ? c : 0,
                                    b.extents[2] > 1 ? h : 0, b.extents[3] > 1 ? w : 0));
  });
  return outcome();
}

cudnnStatus_t cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* d) { return create(d); }
cudnnStatus_t cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t d) { return destroy(d); }
cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t d,
                                           cudnnActivationMode_t mode, cudnnNanPropagation_t,
                                           double) {
  if (!alive(d)) return kBad;
  d->mode = mode;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnActivationForward(cudnnHandle_t handle, cudnnActivationDescriptor_t d,
                                     const void* alpha, cudnnTensorDescriptor_t xd, const void* x,
                                     const void* beta, cudnnTensorDescriptor_t yd, void* y) {
  if (!alive(handle, d, xd, yd) || !plain(alpha, beta) || d->mode != CUDNN_ACTIVATION_RELU)
    return kBad;
  const fake::View in = view(xd, x), out = view(yd, y);
  in.for_each([&](auto n, auto c, auto h, auto w) {
    out.set(n, c, h, w, std::max(in.get(n, c, h, w), 0.0F));
  });
  return outcome();
}

cudnnStatus_t cudnnCreatePoolingDescriptor(cudnnPoolingDescriptor_t* d) { return create(d); }
cudnnStatus_t cudnnDestroyPoolingDescriptor(cudnnPoolingDescriptor_t d) { return destroy(d); }
cudnnStatus_t cudnnSetPooling2dDescriptor(cudnnPoolingDescriptor_t d, cudnnPoolingMode_t mode,
                                          cudnnNanPropagation_t, int wh, int ww, int ph, int pw,
                                          int sh, int sw) {
  if (!alive(d)) return kBad;
  *d = {mode, {wh, ww}, {ph, pw}, {sh, sw}};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnPoolingForward(cudnnHandle_t handle, cudnnPoolingDescriptor_t pool,
                                  const void* alpha, cudnnTensorDescriptor_t xd, const void* x_data,
                                  const void* beta, cudnnTensorDescriptor_t yd, void* y_data) {
  if (!alive(handle, pool, xd, yd) || !plain(alpha, beta)) return kBad;
  const fake::View x = view(xd, x_data), y = view(yd, y_data);
  if (!fits(*pool, x, y)) return kBad;
  const bool average = pool->mode == CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING;
  if (!average && pool->mode != CUDNN_POOLING_MAX_DETERMINISTIC) return kBad;
  y.for_each([&](auto n, auto c, auto p, auto q) {
    double sum = 0, most = -INFINITY;
    for_taps(*pool, x, p, q, [&](auto h, auto w) {
      const double value = x.get(n, c, h, w);
      sum += value, most = std::max(most, value);
    });
    y.set(n, c, p, q, average ? sum / (pool->window[0] * pool->window[1]) : most);
  });
  return outcome();
}
cudnnStatus_t cudnnPoolingBackward(cudnnHandle_t handle, cudnnPoolingDescriptor_t pool,
                                   const void* alpha, cudnnTensorDescriptor_t yd, const void*,
                                   cudnnTensorDescriptor_t dyd, const void* dy_data,
                                   cudnnTensorDescriptor_t xd, const void*, const void* beta,
                                   cudnnTensorDescriptor_t dxd, void* dx_data) {
  if (!alive(handle, pool, xd, yd, dxd, dyd) || !plain(alpha, beta) ||
      pool->mode != CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING)
    return kBad;
  const fake::View dy = view(dyd, dy_data), dx = view(dxd, dx_data);
  if (!fits(*pool, dx, dy)) return kBad;
  dx.for_each([&](auto n, auto c, auto h, auto w) { dx.set(n, c, h, w, 0); });
  dy.for_each([&](auto n, auto c, auto p, auto q) {
    const double share = dy.get(n, c, p, q) / (pool->window[0] * pool->window[1]);
    for_taps(*pool, dx, p, q,
             [&](auto h, auto w) { dx.set(n, c, h, w, dx.get(n, c, h, w) + share); });
  });
  return outcome();
}

cudnnStatus_t cudnnCreateLRNDescriptor(cudnnLRNDescriptor_t* d) { return create(d); }
cudnnStatus_t cudnnDestroyLRNDescriptor(cudnnLRNDescriptor_t d) { return destroy(d); }
cudnnStatus_t cudnnSetLRNDescriptor(cudnnLRNDescriptor_t d, unsigned n, double alpha, double beta,
                                    double k) {
  if (!alive(d) || n < CUDNN_LRN_MIN_N || n > CUDNN_LRN_MAX_N || k < CUDNN_LRN_MIN_K ||
      beta < CUDNN_LRN_MIN_BETA)
    return kBad;
  *d = {static_cast<int>(n), alpha, beta, k};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnLRNCrossChannelForward(cudnnHandle_t handle, cudnnLRNDescriptor_t lrn,
                                          cudnnLRNMode_t, const void* alpha,
                                          cudnnTensorDescriptor_t xd, const void* x_data,
                                          const void* beta, cudnnTensorDescriptor_t yd,
                                          void* y_data) {
  if (!alive(handle, lrn, xd, yd) || !plain(alpha, beta)) return kBad;
  const fake::View x = view(xd, x_data), y = view(yd, y_data);
  x.for_each([&](auto n, auto c, auto h, auto w) {
    y.set(n, c, h, w, x.get(n, c, h, w) * std::pow(scale(*lrn, x, n, c, h, w), -lrn->beta));
  });
  return outcome();
}
cudnnStatus_t cudnnLRNCrossChannelBackward(cudnnHandle_t handle, cudnnLRNDescriptor_t lrn,
                                           cudnnLRNMode_t, const void* alpha,
                                           cudnnTensorDescriptor_t yd, const void* y_data,
                                           cudnnTensorDescriptor_t dyd, const void* dy_data,
                                           cudnnTensorDescriptor_t xd, const void* x_data,
                                           const void* beta, cudnnTensorDescriptor_t dxd,
                                           void* dx_data) {
  if (!alive(handle, lrn, xd, yd, dxd, dyd) || !plain(alpha, beta)) return kBad;
  const fake::View x = view(xd, x_data), y = view(yd, y_data), dy = view(dyd, dy_data),
                   dx = view(dxd, dx_data);
  x.for_each([&](auto n, auto c, auto h, auto w) {
    double sum = 0;
    for (std::int64_t i = 0; i < x.extents[1]; ++i) {
      const std::int64_t first = i - (lrn->size - 1) / 2;
      if (c >= first && c < first + lrn->size)
        sum += dy.get(n, i, h, w) * y.get(n, i, h, w) / scale(*lrn, x, n, i, h, w);
    }
    dx.set(n, c, h, w,
           dy.get(n, c, h, w) * std::pow(scale(*lrn, x, n, c, h, w), -lrn->beta) -
               2 * lrn->alpha * lrn->beta / lrn->size * x.get(n, c, h, w) * sum);
  });
  return outcome();
}

cudnnStatus_t cudnnSoftmaxForward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm,
                                  cudnnSoftmaxMode_t mode, const void* alpha,
                                  cudnnTensorDescriptor_t xd, const void* x_data, const void* beta,
                                  cudnnTensorDescriptor_t yd, void* y_data) {
  if (!alive(handle, xd, yd) || !plain(alpha, beta) || algorithm != CUDNN_SOFTMAX_ACCURATE ||
      mode != CUDNN_SOFTMAX_MODE_CHANNEL)
    return kBad;
  const fake::View x = view(xd, x_data), y = view(yd, y_data);
  x.for_each([&](auto n, auto c, auto h, auto w) {
    double most = -INFINITY, sum = 0;
    for (std::int64_t i = 0; i < x.extents[1]; ++i)
      most = std::max(most, static_cast<double>(x.get(n, i, h, w)));
    for (std::int64_t i = 0; i < x.extents[1]; ++i) sum += std::exp(x.get(n, i, h, w) - most);
    y.set(n, c, h, w, std::exp(x.get(n, c, h, w) - most) / sum);
  });
  return outcome();
}
cudnnStatus_t cudnnSoftmaxBackward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t,
                                   cudnnSoftmaxMode_t mode, const void* alpha,
                                   cudnnTensorDescriptor_t yd, const void* y_data,
                                   cudnnTensorDescriptor_t dyd, const void* dy_data,
                                   const void* beta, cudnnTensorDescriptor_t dxd, void* dx_data) {
  if (!alive(handle, yd, dyd, dxd) || !plain(alpha, beta) || mode != CUDNN_SOFTMAX_MODE_CHANNEL)
    return kBad;
  const fake::View y = view(yd, y_data), dy = view(dyd, dy_data), dx = view(dxd, dx_data);
  y.for_each([&](auto n, auto c, auto h, auto w) {
    double sum = 0;
    for (std::int64_t i = 0; i < y.extents[1]; ++i)
      sum += static_cast<double>(dy.get(n, i, h, w)) * y.get(n, i, h, w);
    dx.set(n, c, h, w, y.get(n, c, h, w) * (dy.get(n, c, h, w) - sum));
  });
  return outcome();
}

}  // extern "C"
