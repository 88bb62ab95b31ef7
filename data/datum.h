// Caffe's Datum message, the value of a record in its LMDBs.
//
// Wire format (protocol buffers): channels 1, height 2, width 3 (varints), data 4 (bytes), label 5
// (varint), float_data 6 (float, packed or not), encoded 7 (bool). Source: caffe.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

struct Datum {
  // Planes; not given for encoded ones.
  std::optional<std::int32_t> channels, height, width;
  std::string data;  // uint8 planes, or with `encoded` a JPEG or PNG file
  std::vector<float> float_data;
  std::optional<std::int32_t> label;
  bool encoded = false;
  bool operator==(const Datum&) const = default;
};

// Unknown fields are skipped. Error naming `name` when the message is damaged, or when the planes
// have another size than it says.
[[nodiscard]] Datum parse_datum(std::string_view bytes, const std::string& name);

// Fields in the order of their numbers, as protobuf's own writer does.
[[nodiscard]] std::string write_datum(const Datum& datum);

}  // namespace fovea
