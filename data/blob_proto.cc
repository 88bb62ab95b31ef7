#include "data/blob_proto.h"

#include <string>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/io/caffe_blob.h"
#include "engine/io/wire.h"

namespace fovea {
namespace {

constexpr unsigned kDataField = 5;

}  // namespace

Tensor<float> read_blob_proto(const std::filesystem::path& path) {
  return parse_caffe_blob(read_file(path), path.string());
}

void write_blob_proto(const std::filesystem::path& path, TensorView<const float> tensor,
                      bool overwrite) {
  expects(tensor.shape.rank() == 3, "(C, H, W)");
  WireWriter blob;
  const std::int64_t legacy[] = {1, tensor.shape[0], tensor.shape[1], tensor.shape[2]};
  for (unsigned field = 1; field <= 4; ++field)
    blob.varint(field, static_cast<std::uint64_t>(legacy[field - 1]));
  blob.bytes(kDataField, {reinterpret_cast<const char*>(tensor.data),
                          sizeof(float) * static_cast<std::size_t>(tensor.count())});
  write_file(path, blob.message(), overwrite);
}

}  // namespace fovea
