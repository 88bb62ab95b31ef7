// Images in memory, and their way from and to encoded files.
//
// Image: uint8, interleaved (H, W, C) with C = 3 in the order red, green, blue, or C = 1.
// Planes: what stores and nets use, (C, H, W), C = 3 in the order blue, green, red (Caffe's order).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace fovea {

struct Image {
  int height = 0, width = 0, channels = 3;
  std::vector<std::uint8_t> pixels = {};  // height * width * channels
};

// Files with more pixels than this are refused: 32768 along an axis, 2^28 in all.
inline constexpr int kMaxImageExtent = 32768;
// Of records that are not JPEG or PNG.
inline constexpr int kMaxChannels = 255;

// What a file's first bytes say it is.
enum class ImageFile { kUnknown, kJpeg, kPng };
[[nodiscard]] ImageFile image_file_kind(std::span<const std::uint8_t> bytes);

// Decodes JPEG or PNG (8 bits) to `channels` channels (3 or 1): grey files are repeated, alpha is
// dropped. `name` is the file named by the Error that a damaged or truncated image throws. A build
// with libjpeg-turbo gives its JPEG pixels, which are OpenCV's and Pillow's; another uses
// stb_image, whose pixels may differ by 1-2: another inverse DCT.
[[nodiscard]] Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                                 int channels = 3);

// What a JPEG or PNG file says about itself; channels 1 to 4. Error naming `name`.
struct ImageSize {
  int height = 0, width = 0, channels = 0;
};
[[nodiscard]] ImageSize image_size(std::span<const std::uint8_t> bytes, const std::string& name);

// Decodes a file; Error naming it when it cannot be read or decoded.
[[nodiscard]] Image read_image(const std::filesystem::path& path, int channels = 3);

[[nodiscard]] std::string encode_png(const Image& image);
// quality 1..100; above 90 the chroma is not subsampled.
[[nodiscard]] std::string encode_jpeg(const Image& image, int quality);

// Image <-> planes; `planes` holds channels * height * width bytes.
void to_planes(const Image& image, std::span<std::uint8_t> planes);
[[nodiscard]] Image from_planes(std::span<const std::uint8_t> planes, int channels, int height,
                                int width);

// Repeats the edge rows or columns until the image is square; the image stays in the middle, an odd
// row or column goes to the bottom or right.
[[nodiscard]] Image square_by_edges(const Image& image);

}  // namespace fovea
