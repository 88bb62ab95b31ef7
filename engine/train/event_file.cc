#include "engine/train/event_file.h"

#include <chrono>
#include <cstring>

#include "engine/core/crc32c.h"
#include "engine/core/file.h"
#include "engine/io/wire.h"

namespace fovea {
namespace {

enum EventField : unsigned { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5 };
constexpr std::size_t kFraming = 8 + 4 + 4;

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Rotated and shifted, so that the checksum of bytes that hold checksums is none of them.
std::uint32_t masked_crc(const void* data, std::size_t size) {
  const std::uint32_t crc = crc32c(data, size);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string record_of(std::string_view bytes) {
  std::string record;
  put(record, std::uint64_t{bytes.size()});
  put(record, masked_crc(record.data(), record.size()));
  record += bytes;
  put(record, masked_crc(bytes.data(), bytes.size()));
  return record;
}

std::string first_record() {
  return record_of(
      WireWriter().fixed64(kWallTime, now()).bytes(kFileVersion, "brain.Event:2").message());
}

std::string text_value(const Text& text) {
  constexpr std::uint64_t kString = 7;
  const std::string tensor =
      WireWriter().varint(1, kString).bytes(2, "").bytes(8, text.markdown).message();
  const std::string plugin = WireWriter().bytes(1, "text").message();
  return WireWriter()
      .bytes(1, text.tag)
      .bytes(8, tensor)
      .bytes(9, WireWriter().bytes(1, plugin).message())
      .message();
}

std::int64_t step_of(std::string_view event, const std::string& file) {
  WireReader fields(event, file);
  std::int64_t step = 0;
  while (!fields.done()) {
    const std::uint64_t tag = fields.varint();
    if (tag == (kStep << 3 | kVarint)) {
      step = static_cast<std::int64_t>(fields.varint());
    } else {
      fields.skip(tag & 7);
    }
  }
  return step;
}

// Bytes of the leading records that are whole and not behind `last_step`.
std::size_t length_up_to(std::string_view file, std::int64_t last_step, const std::string& name) {
  std::size_t at = 0;
  while (file.size() - at >= kFraming) {
    std::uint64_t size = 0;
    std::memcpy(&size, file.data() + at, sizeof size);
    if (size > file.size() - at - kFraming) break;
    const std::string_view event = file.substr(at + 12, size);
    if (file.substr(at, size + kFraming) != record_of(event)) break;
    if (step_of(event, name) > last_step) break;
    at += size + kFraming;
  }
  return at;
}

}  // namespace

EventFile::EventFile(std::filesystem::path path, std::int64_t last_step) : path_(std::move(path)) {
  std::string kept;
  if (last_step > 0 && std::filesystem::exists(path_)) {
    kept = read_file(path_);
    kept.resize(length_up_to(kept, last_step, path_.string()));
  }
  write_file(path_, kept.empty() ? first_record() : kept);
}

void EventFile::add(std::int64_t step, std::span<const Scalar> scalars,
                    std::span<const Text> texts) const {
  WireWriter summary;
  for (const Scalar& scalar : scalars)
    summary.bytes(1, WireWriter().bytes(1, scalar.tag).fixed32(2, scalar.value).message());
  for (const Text& text : texts) summary.bytes(1, text_value(text));
  append_to_file(path_, record_of(WireWriter()
                                      .fixed64(kWallTime, now())
                                      .varint(kStep, static_cast<std::uint64_t>(step))
                                      .bytes(kSummary, summary.message())
                                      .message()));
}

}  // namespace fovea
