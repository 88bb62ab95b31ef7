#include "data/blob_proto.h"

#include <string>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/io/caffe_blob.h"
#include "engine/io/wire.h"

namespace fovea {
namespace {

constexpr unsigned kDataField = 5;

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

Tensor<float> read_blob_proto(const std::filesystem::path& path) {
  return parse_caffe_blob(read_file(path), path.string());
}

void write_blob_proto(const std::filesystem::path& path, TensorView<const float> tensor,
                      bool overwrite) {
  expects(tensor.shape.rank() == 3, "(C, H, W)");
  std::string out;
  const std::int64_t legacy[] = {1, tensor.shape[0], tensor.shape[1], tensor.shape[2]};
  for (unsigned field = 1; field <= 4; ++field) {
    put_varint(out, field << 3 | kVarint);
    put_varint(out, static_cast<std::uint64_t>(legacy[field - 1]));
  }
  const auto size = sizeof(float) * static_cast<std::size_t>(tensor.count());
  put_varint(out, kDataField << 3 | kBytes);
  put_varint(out, size);
  out.append(reinterpret_cast<const char*>(tensor.data), size);
  write_file(path, out, overwrite);
}

}  // namespace fovea
