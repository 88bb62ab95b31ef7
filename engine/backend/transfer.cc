#include "engine/backend/transfer.h"

#include "kernels/cpu/reorder.h"

namespace fovea {

void upload_plain(Device& device, TensorView<const float> plain, const OpTensor& to) {
  expects(plain.shape == to.shape, "equal shapes on host and device");
  const OpTensor from{const_cast<float*>(plain.data), plain.shape, Layout::kPlain};
  if (device.host_memory()) return reorder(from, to);
  std::vector<float> packed(static_cast<std::size_t>(storage_count(to.shape, to.layout)));
  reorder(from, {packed.data(), to.shape, to.layout});
  device.upload(to.data, packed.data(), packed.size() * sizeof(float));
}

Tensor<float> download_plain(Device& device, const OpTensor& from) {
  Tensor<float> plain(from.shape);
  const OpTensor to{plain.values.data(), plain.shape, Layout::kPlain};
  if (device.host_memory()) {
    reorder(from, to);
    return plain;
  }
  std::vector<float> packed(static_cast<std::size_t>(storage_count(from.shape, from.layout)));
  device.download(packed.data(), from.data, packed.size() * sizeof(float));
  reorder({packed.data(), from.shape, from.layout}, to);
  return plain;
}

}  // namespace fovea
