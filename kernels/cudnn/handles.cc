#include "kernels/cudnn/handles.h"

#include <limits>
#include <map>

namespace fovea::cudnn {

std::shared_ptr<const Handles> handles() {
  thread_local std::map<std::pair<const Library*, int>, std::weak_ptr<const Handles>> known;
  std::weak_ptr<const Handles>& kept =
      known[{runtime().library.get(), runtime().support->current_device()}];
  if (auto shared = kept.lock()) return shared;
  auto made = std::make_shared<const Handles>();
  kept = made;
  return made;
}

TensorDescriptor tensor_descriptor(const Shape& shape) {
  require(shape.count() <= std::numeric_limits<std::int32_t>::max(), "a tensor of ", shape.count(),
          " values, expected fewer than 2^31");
  auto descriptor = make(api().cudnnCreateTensorDescriptor, api().cudnnDestroyTensorDescriptor);
  const int n = static_cast<int>(shape.n()), c = static_cast<int>(shape.c()),
            h = static_cast<int>(shape.h()), w = static_cast<int>(shape.w());
  check(api().cudnnSetTensor4dDescriptorEx(descriptor.get(), CUDNN_DATA_FLOAT, n, c, h, w,
                                           h * w * c, 1, w * c, c));
  return descriptor;
}

}  // namespace fovea::cudnn
