#include "data/blob_proto.h"

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "protocol buffers are little-endian");

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
constexpr unsigned kDataField = 5, kShapeField = 7;

// Takes values off the front of a message.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  [[nodiscard]] bool done() const { return bytes_.empty(); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(take(1).front());
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    throw Error(str("damaged BlobProto in ", file_, ": a number of more than 64 bits"));
  }
  std::string_view take(std::uint64_t size) {
    require(size <= bytes_.size(), "truncated BlobProto in ", file_, ": a field of ", size,
            " bytes, expected at most the ", bytes_.size(), " that are left");
    const std::string_view front = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return front;
  }
  std::string_view bytes() { return take(varint()); }
  void skip(unsigned type) {
    switch (type) {
      case kVarint:
        (void)varint();
        return;
      case kFixed64:
        (void)take(8);
        return;
      case kBytes:
        (void)bytes();
        return;
      case kFixed32:
        (void)take(4);
        return;
      default:
        throw Error(str("not a BlobProto: ", file_, ": wire type ", type));
    }
  }

 private:
  std::string_view bytes_;
  const std::string& file_;
};

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

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

Tensor<float> read_blob_proto(const std::filesystem::path& path) {
  const std::string file = path.string(), content = read_file(path);
  std::vector<std::int64_t> legacy{1, 1, 1, 1}, dims;
  std::vector<float> values;
  for (WireReader message(content, file); !message.done();) {
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
