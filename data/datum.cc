#include "data/datum.h"

#include <bit>
#include <cstring>

#include "engine/core/error.h"
#include "engine/io/wire.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "protocol buffers are little-endian");

enum Field : unsigned { kChannels = 1, kHeight, kWidth, kData, kLabel, kFloatData, kEncoded };

void append_floats(std::string_view bytes, std::vector<float>& values, const std::string& name) {
  require(bytes.size() % sizeof(float) == 0, "damaged Datum in ", name, ": ", bytes.size(),
          " bytes of float_data, expected whole floats");
  const std::size_t old = values.size();
  values.resize(old + bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(values.data() + old, bytes.data(), bytes.size());
}

void check_size(const Datum& d, const std::string& name) {
  if (d.encoded) {
    require(!d.data.empty(), "empty Datum in ", name, ", expected an encoded image");
    return;
  }
  const std::int64_t c = d.channels.value_or(0), h = d.height.value_or(0), w = d.width.value_or(0);
  require(c >= 1 && h >= 1 && w >= 1 && c <= 255 && h <= 32768 && w <= 32768, "size of Datum in ",
          name, ": ", c, " x ", h, " x ", w, ", expected at most 255 x 32768 x 32768");
  const auto count = static_cast<std::uint64_t>(c * h * w);
  const bool bytes = d.data.size() == count && d.float_data.empty();
  const bool floats = d.data.empty() && d.float_data.size() == count;
  require(bytes || floats, "values of Datum in ", name, ": ", d.data.size(), " bytes and ",
          d.float_data.size(), " floats, expected ", count, " of one of them");
}

}  // namespace

Datum parse_datum(std::string_view bytes, const std::string& name) {
  Datum datum;
  for (WireReader message(bytes, name); !message.done();) {
    const std::uint64_t tag = message.varint();
    const auto field = static_cast<unsigned>(tag >> 3), type = static_cast<unsigned>(tag & 7);
    const auto number = [&] { return static_cast<std::int32_t>(message.varint()); };
    if (field == kChannels && type == kVarint) {
      datum.channels = number();
    } else if (field == kHeight && type == kVarint) {
      datum.height = number();
    } else if (field == kWidth && type == kVarint) {
      datum.width = number();
    } else if (field == kData && type == kBytes) {
      datum.data = message.bytes();
    } else if (field == kLabel && type == kVarint) {
      datum.label = number();
    } else if (field == kFloatData && type == kFixed32) {
      append_floats(message.take(sizeof(float)), datum.float_data, name);
    } else if (field == kFloatData && type == kBytes) {
      append_floats(message.bytes(), datum.float_data, name);
    } else if (field == kEncoded && type == kVarint) {
      datum.encoded = message.varint() != 0;
    } else {
      message.skip(type);
    }
  }
  check_size(datum, name);
  return datum;
}

std::string write_datum(const Datum& d) {
  WireWriter out;
  const auto put = [&](Field field, const std::optional<std::int32_t>& value) {
    // Sign-extended, as protobuf writes negative numbers.
    if (value) out.varint(field, static_cast<std::uint64_t>(std::int64_t{*value}));
  };
  put(kChannels, d.channels), put(kHeight, d.height), put(kWidth, d.width);
  if (!d.data.empty()) out.bytes(kData, d.data);
  put(kLabel, d.label);
  // One by one: the field is not declared packed.
  for (const float value : d.float_data) out.fixed32(kFloatData, value);
  if (d.encoded) put(kEncoded, 1);
  return out.message();
}

}  // namespace fovea
