// Protocol buffers' wire format, as far as Caffe's binary files use it (.binaryproto, .caffemodel):
// a message is a run of fields, each a varint tag (number << 3 | type) and a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/error.h"

namespace fovea {

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Takes values off the front of a message. Both arguments must outlive it; every Error names
// `file`, and no read goes past the message.
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
    throw Error(str("damaged protocol buffer in ", file_, ": a number of more than 64 bits"));
  }

  std::string_view take(std::uint64_t size) {
    require(size <= bytes_.size(), "truncated or damaged protocol buffer in ", file_,
            ": a field of ", size, " bytes, expected at most the ", bytes_.size(),
            " that are left");
    const std::string_view front = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return front;
  }

  // The value of a kBytes field: text, bytes, a message or packed numbers.
  std::string_view bytes() { return take(varint()); }

  // Passes over the value of a field that nobody wants.
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
        throw Error(str("not a protocol buffer, or damaged: ", file_, ": wire type ", type));
    }
  }

 private:
  std::string_view bytes_;
  const std::string& file_;
};

// Appends fields to a message.
class WireWriter {
 public:
  [[nodiscard]] const std::string& message() const { return out_; }

  WireWriter& varint(unsigned field, std::uint64_t value) {
    tag(field, kVarint);
    number(value);
    return *this;
  }
  WireWriter& bytes(unsigned field, std::string_view value) {
    bytes_header(field, value.size());
    out_ += value;
    return *this;
  }
  // What stands in front of `size` bytes that the caller writes elsewhere.
  WireWriter& bytes_header(unsigned field, std::uint64_t size) {
    tag(field, kBytes);
    number(size);
    return *this;
  }
  WireWriter& fixed64(unsigned field, double value) {
    tag(field, kFixed64);
    return raw(&value, sizeof value);
  }
  WireWriter& fixed32(unsigned field, float value) {
    tag(field, kFixed32);
    return raw(&value, sizeof value);
  }

 private:
  void tag(unsigned field, WireType type) { number(field << 3 | type); }
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  WireWriter& raw(const void* value, std::size_t size) {
    out_.append(static_cast<const char*>(value), size);
    return *this;
  }

  std::string out_;
};

}  // namespace fovea
