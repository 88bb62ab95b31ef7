// Image files into a store: decoded, resized and encoded on all threads, written in order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/writer.h"
#include "engine/core/fields.h"

namespace fovea {

// What a store holds of an image file.
enum class PackEncoding : int {
  kKeep,  // the JPEG or PNG file as it is; after a resize as kRaw
  kRaw,   // pixels
  kJpeg,  // JPEG files that need no resize as they are, others at quality 95
};
template <>
inline constexpr EnumTable<PackEncoding, 3> enum_names<PackEncoding>{
    {{"keep", PackEncoding::kKeep}, {"raw", PackEncoding::kRaw}, {"jpeg", PackEncoding::kJpeg}}};

struct PackItem {
  std::filesystem::path file;
  std::string source;                // as NewRecord's
  std::vector<std::int32_t> labels;  // as NewRecord's
  bool square = false;               // by repeating edges, before the resize
};

struct PackOptions {
  PackEncoding encode = PackEncoding::kRaw;
  int size = 0;  // rows and columns, resized as OpenCV does without keeping the aspect ratio; 0: as
                 // the file
  int channels = 3;
  int threads = 0;                                                           // 0: every core
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // from one thread
};

// Adds items item(0), ..., item(count - 1), after taking over what a killed writer left. Error
// naming the first file that cannot be read or decoded.
void pack_images(StoreWriter& writer, std::int64_t count,
                 const std::function<PackItem(std::int64_t)>& item, const PackOptions& options);

// One image file: what of it goes into the store.
struct PackedImage {
  Encoding encoding = Encoding::kRaw;
  int channels = 3, height = 0, width = 0;
  std::vector<std::uint8_t> payload;
};
[[nodiscard]] PackedImage pack_image(const std::string& content, const std::string& name,
                                     bool square, const PackOptions& options);

}  // namespace fovea
