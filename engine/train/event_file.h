// TensorBoard's event files: scalars over the steps of a run.
//
// A file is a run of records: u64 length, u32 masked CRC32C of the length, the bytes, u32 masked
// CRC32C of the bytes (the TFRecord framing); the bytes are an Event message: 1 wall time (double,
// seconds), 2 step, 3 file version (first record), 5 summary { 1 value { 1 tag, 2 simple value } }.
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

class EventFile {
 public:
  // Opens `path` for appending. A new file gets its version record; of an old one the events up to
  // `last_step` stay, later or damaged ones are dropped.
  EventFile(std::filesystem::path path, std::int64_t last_step);

  // All scalars of a step as one event, at the present time; on disk when this returns.
  void add(std::int64_t step, std::span<const Scalar> scalars) const;

 private:
  std::filesystem::path path_;
};

}  // namespace fovea
