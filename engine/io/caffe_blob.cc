#include "engine/io/caffe_blob.h"

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/error.h"
#include "engine/io/wire.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "protocol buffers are little-endian");

constexpr unsigned kDataField = 5, kShapeField = 7;

void append_floats(std::string_view bytes, std::vector<float>& values, const std::string& file) {
  require(bytes.size() % sizeof(float) == 0, "damaged BlobProto in ", file, ": ", bytes.size(),
          " bytes of data, expected whole floats");
  const std::size_t old = values.size();
  values.resize(old + bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(values.data() + old, bytes.data(), bytes.size());
}

// BlobShape: repeated int64 dim = 1, packed or not.
std::vector<std::int64_t> read_dims(std::string_view bytes, const std::string& file) {
  std::vector<std::int64_t> dims;
  for (WireReader message(bytes, file); !message.done();) {
    const std::uint64_t tag = message.varint();
    if (tag == (1U << 3 | kVarint)) {
      dims.push_back(static_cast<std::int64_t>(message.varint()));
    } else if (tag == (1U << 3 | kBytes)) {
      for (WireReader packed(message.bytes(), file); !packed.done();) {
        dims.push_back(static_cast<std::int64_t>(packed.varint()));
      }
    } else {
      message.skip(tag & 7);
    }
  }
  return dims;
}

}  // namespace

Tensor<float> parse_caffe_blob(std::string_view bytes, const std::string& file) {
  std::vector<std::int64_t> legacy{1, 1, 1, 1}, dims;
  std::vector<float> values;
  for (WireReader message(bytes, file); !message.done();) {
    const std::uint64_t tag = message.varint();
    const std::uint64_t field = tag >> 3;
    const auto type = static_cast<unsigned>(tag & 7);
    if (field >= 1 && field <= 4 && type == kVarint) {
      legacy[field - 1] = static_cast<std::int64_t>(message.varint());
    } else if (field == kDataField && type == kBytes) {
      append_floats(message.bytes(), values, file);
    } else if (field == kDataField && type == kFixed32) {
      append_floats(message.take(4), values, file);
    } else if (field == kShapeField && type == kBytes) {
      dims = read_dims(message.bytes(), file);
    } else {
      message.skip(type);
    }
  }
  if (dims.empty()) dims = legacy;
  require(dims.size() <= Shape::kMaxRank, "shape of BlobProto in ", file, ": ", dims.size(),
          " axes, expected at most ", Shape::kMaxRank);
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) {
    require(dim >= 1 && dim <= (std::int64_t{1} << 31) && count <= (std::int64_t{1} << 31),
            "shape of BlobProto in ", file, ": ", dim, ", expected positive extents");
    count *= dim;
  }
  require(count == static_cast<std::int64_t>(values.size()), "BlobProto in ", file, ": ",
          values.size(), " values, expected ", count, " as its shape says");
  return {Shape(dims), std::move(values)};
}

}  // namespace fovea
