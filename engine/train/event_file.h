// TensorBoard's event files: scalars and texts over the steps of a run.
//
// A file is a run of records: u64 length, u32 masked CRC32C of the length, the bytes, u32 masked
// CRC32C of the bytes (the TFRecord framing); the bytes are an Event message: 1 wall time (double,
// seconds), 2 step, 3 file version (first record), 5 summary { 1 value { 1 tag, 2 simple value } }.
// A text is a value { 1 tag, 8 tensor { 1 type 7 (string), 2 shape, 8 string }, 9 metadata { 1
// plug-in { 1 "text" } } }.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fovea {

struct Scalar {
  std::string_view tag;
  float value;
};

struct Text {
  std::string_view tag;
  std::string markdown;
};

class EventFile {
 public:
  // Opens `path` for appending. A new file gets its version record; of an old one the events up to
  // `last_step` stay, later or damaged ones are dropped.
  EventFile(std::filesystem::path path, std::int64_t last_step);

  // All that belongs to a step as one event, at the present time; on disk when this returns.
  void add(std::int64_t step, std::span<const Scalar> scalars,
           std::span<const Text> texts = {}) const;

 private:
  std::filesystem::path path_;
};

}  // namespace fovea
