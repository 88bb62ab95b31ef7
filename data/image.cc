#include "data/image.h"

#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>

#include "data/jpeg_turbo.h"
#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

constexpr std::uint8_t kPngMagic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30;

// Offset behind the first start-of-scan marker, found by walking the marker segments.
std::optional<std::size_t> first_scan(std::span<const std::uint8_t> bytes) {
  std::size_t at = 2;
  while (at + 4 <= bytes.size() && bytes[at] == 0xFF) {
    if (bytes[at + 1] == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    const std::size_t length = std::size_t{bytes[at + 2]} << 8 | bytes[at + 3];
    if (bytes[at + 1] == 0xDA) return at + 2 + length;
    at += 2 + length;
  }
  return std::nullopt;
}

// stb fills a JPEG that ends too early with grey and reports success; the missing end-of-image
// marker gives it away. Inside a scan the bytes FF D9 can be nothing else.
bool has_end_of_image(std::span<const std::uint8_t> bytes) {
  const auto scan = first_scan(bytes);
  if (!scan) return false;
  for (std::size_t at = bytes.size(); at >= 2 && at - 2 >= *scan; --at) {
    if (bytes[at - 2] == 0xFF && bytes[at - 1] == 0xD9) return true;
  }
  return false;
}

// Whether every Huffman table of the segment at `at` (its length first) has at most 256 symbols.
// Like stb, reads on where the last table begins inside the segment and ends behind it.
bool huffman_tables_fit(std::span<const std::uint8_t> bytes, std::size_t at) {
  const std::size_t end = at + (std::size_t{bytes[at]} << 8 | bytes[at + 1]);
  for (at += 2; at < std::min(end, bytes.size());) {
    const auto counts =
        bytes.subspan(at + 1).first(std::min<std::size_t>(16, bytes.size() - at - 1));
    const std::size_t symbols = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    if (symbols > 256) return false;
    at += 17 + symbols;
  }
  return true;
}

// stb (2.27 and older) writes past its table when a damaged one has more symbols. Between segments
// and inside scans every FF that 0, a fill byte or a restart does not follow begins a segment.
bool all_huffman_tables_fit(std::span<const std::uint8_t> bytes) {
  for (auto rest = bytes.subspan(2);;) {
    const auto at = std::ranges::find(rest, 0xFF) - rest.begin();
    rest = rest.subspan(static_cast<std::size_t>(at));
    if (rest.size() < 4) return true;
    const std::uint8_t marker = rest[1];
    const bool segment = marker > 0x01 && marker != 0xFF && !(marker >= 0xD0 && marker <= 0xD9);
    if (marker == 0xC4 && !huffman_tables_fit(rest, 2)) return false;
    const std::size_t length = std::size_t{rest[2]} << 8 | rest[3];
    rest = rest.subspan(std::min(segment ? 2 + length : 1, rest.size()));
  }
}

// Whether every chunk of a PNG ends inside the file: stb takes memory for what a chunk says.
bool png_chunks_fit(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kFrame = 12;  // length, type, checksum
  for (auto rest = bytes.subspan(sizeof kPngMagic); rest.size() >= kFrame;) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | rest[i];
    if (length > rest.size() - kFrame) return false;
    if (std::memcmp(&rest[4], "IEND", 4) == 0) return true;
    rest = rest.subspan(kFrame + length);
  }
  return true;
}

// What stb reads at the head of a file, nothing where it cannot; the one way to it, because it
// reads the tables that it comes by. Requires a size that fits into an int.
std::optional<ImageSize> stated_size(std::span<const std::uint8_t> bytes, const std::string& name) {
  const ImageFile kind = image_file_kind(bytes);
  require(kind != ImageFile::kJpeg || all_huffman_tables_fit(bytes), "cannot decode image in ",
          name, ": a Huffman table of more than 256 symbols, expected an undamaged file");
  require(kind != ImageFile::kPng || png_chunks_fit(bytes), "cannot decode image in ", name,
          ": a chunk that ends behind the file, expected an undamaged one");
  ImageSize size;
  const bool readable = stbi_info_from_memory(bytes.data(), static_cast<int>(bytes.size()),
                                              &size.width, &size.height, &size.channels) != 0;
  return readable ? std::optional(size) : std::nullopt;
}

void append_to_string(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                             static_cast<std::size_t>(size));
}

}  // namespace

ImageFile image_file_kind(std::span<const std::uint8_t> bytes) {
  if (bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) {
    return ImageFile::kJpeg;
  }
  if (bytes.size() >= sizeof kPngMagic &&
      std::memcmp(bytes.data(), kPngMagic, sizeof kPngMagic) == 0) {
    return ImageFile::kPng;
  }
  return ImageFile::kUnknown;
}

ImageSize image_size(std::span<const std::uint8_t> bytes, const std::string& name) {
  std::optional<ImageSize> size;
  if (image_file_kind(bytes) != ImageFile::kUnknown && bytes.size() <= kMaxFileBytes)
    size = stated_size(bytes, name);
  require(size.has_value(), "cannot decode image in ", name,
          ": not JPEG or PNG, or damaged at its start");
  return *size;
}

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name, int channels) {
  const ImageFile kind = image_file_kind(bytes);
  require(kind != ImageFile::kUnknown, "cannot decode image in ", name,
          ": unknown first bytes, expected JPEG or PNG");
  require(kind != ImageFile::kJpeg || has_end_of_image(bytes), "cannot decode image in ", name,
          ": truncated, expected an end-of-image marker");
  require(bytes.size() <= kMaxFileBytes, "cannot decode image in ", name, ": larger than 1 GiB");
  const std::optional<ImageSize> size = stated_size(bytes, name);
  require(size && size->width <= kMaxImageExtent && size->height <= kMaxImageExtent &&
              std::int64_t{size->width} * size->height <= kMaxPixels,
          "cannot decode image in ", name, ": ",
          size ? str(size->height, " x ", size->width, " pixels") : stbi_failure_reason(),
          ", expected at most ", kMaxImageExtent, " rows and columns");
  Image image{.height = size->height, .width = size->width, .channels = channels, .pixels = {}};
  if (kind == ImageFile::kJpeg && decode_jpeg_turbo(bytes, name, image)) return image;
  int in_file = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &image.width,
                            &image.height, &in_file, channels),
      stbi_image_free);
  require(pixels != nullptr, "cannot decode image in ", name, ": ", stbi_failure_reason(),
          ", expected an undamaged file");
  const auto count = static_cast<std::size_t>(image.height) *
                     static_cast<std::size_t>(image.width) * static_cast<std::size_t>(channels);
  image.pixels.assign(pixels.get(), pixels.get() + count);
  return image;
}

Image read_image(const std::filesystem::path& path, int channels) {
  const std::string bytes = read_file(path);
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                      path.string(), channels);
}

std::string encode_png(const Image& image) {
  std::string out;
  const bool done = stbi_write_png_to_func(append_to_string, &out, image.width, image.height,
                                           image.channels, image.pixels.data(), 0) != 0;
  expects(done, "stb encodes every 8-bit image as PNG");
  return out;
}

std::string encode_jpeg(const Image& image, int quality) {
  std::string out;
  const bool done = stbi_write_jpg_to_func(append_to_string, &out, image.width, image.height,
                                           image.channels, image.pixels.data(), quality) != 0;
  expects(done, "stb encodes every 8-bit image as JPEG");
  return out;
}

void to_planes(const Image& image, std::span<std::uint8_t> planes) {
  expects(planes.size() == image.pixels.size(), "as many bytes as the image has");
  if (image.channels == 1) {
    std::copy(image.pixels.begin(), image.pixels.end(), planes.begin());
    return;
  }
  const std::size_t area = planes.size() / 3;
  std::uint8_t *blue = planes.data(), *green = blue + area, *red = green + area;
  const std::uint8_t* pixel = image.pixels.data();
  for (std::size_t i = 0; i < area; ++i) {
    red[i] = pixel[3 * i], green[i] = pixel[3 * i + 1], blue[i] = pixel[3 * i + 2];
  }
}

Image from_planes(std::span<const std::uint8_t> planes, int channels, int height, int width) {
  Image image{height, width, channels, std::vector<std::uint8_t>(planes.size())};
  if (channels == 1) {
    std::copy(planes.begin(), planes.end(), image.pixels.begin());
    return image;
  }
  const std::size_t area = planes.size() / 3;
  for (std::size_t i = 0; i < area; ++i) {
    for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = planes[(2 - c) * area + i];
  }
  return image;
}

Image square_by_edges(const Image& image) {
  if (image.height == image.width) return image;
  const int extent = std::max(image.height, image.width);
  const int top = (extent - image.height) / 2, left = (extent - image.width) / 2;
  const auto channels = static_cast<std::size_t>(image.channels);
  Image square{extent, extent, image.channels, {}};
  square.pixels.resize(static_cast<std::size_t>(extent) * static_cast<std::size_t>(extent) *
                       channels);
  auto* out = square.pixels.data();
  for (int y = 0; y < extent; ++y) {
    const int from_y = std::clamp(y - top, 0, image.height - 1);
    for (int x = 0; x < extent; ++x, out += channels) {
      const int from_x = std::clamp(x - left, 0, image.width - 1);
      const auto pixel = static_cast<std::size_t>(from_y) * static_cast<std::size_t>(image.width) +
                         static_cast<std::size_t>(from_x);
      std::memcpy(out, image.pixels.data() + pixel * channels, channels);
    }
  }
  return square;
}

}  // namespace fovea
