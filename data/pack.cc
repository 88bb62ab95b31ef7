#include "data/pack.h"

#include <algorithm>

#include "data/image.h"
#include "data/parallel.h"
#include "data/resize.h"
#include "engine/core/error.h"

namespace fovea {
namespace {

constexpr int kJpegQuality = 95;
// Images decoded between two rounds of writing: enough to keep every core busy, few enough (50 MB
// at 256 x 256) that memory stays bounded.
constexpr std::int64_t kChunk = 256;

void take_over(StoreWriter& writer, std::int64_t count,
               const std::function<PackItem(std::int64_t)>& item) {
  while (writer.resumable() > 0) {
    expects(writer.size() < count, "no more records than images");
    const PackItem next = item(writer.size());
    writer.resume(next.source, next.labels);
  }
}

}  // namespace

PackedImage pack_image(const std::string& content, const std::string& name, bool square,
                       const PackOptions& options) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
  Image image = decode_image(bytes, name, options.channels);
  const bool is_jpeg = image_file_kind(bytes) == ImageFile::kJpeg;
  const bool fits =
      (options.size == 0 || (image.height == options.size && image.width == options.size)) &&
      (!square || image.height == image.width);
  PackedImage packed{.channels = options.channels, .height = image.height, .width = image.width};
  if (fits && (options.encode == PackEncoding::kKeep ||
               (options.encode == PackEncoding::kJpeg && is_jpeg))) {
    packed.encoding = is_jpeg ? Encoding::kJpeg : Encoding::kPng;
    packed.payload.assign(bytes.begin(), bytes.end());
    return packed;
  }
  if (square) image = square_by_edges(image);
  if (options.size > 0) image = resize_bilinear(image, options.size, options.size);
  packed.height = image.height, packed.width = image.width;
  if (options.encode == PackEncoding::kJpeg) {
    const std::string jpeg = encode_jpeg(image, kJpegQuality);
    packed.encoding = Encoding::kJpeg;
    packed.payload.assign(jpeg.begin(), jpeg.end());
  } else {
    packed.payload.resize(image.pixels.size());
    to_planes(image, packed.payload);
  }
  return packed;
}

void pack_images(StoreWriter& writer, std::int64_t count,
                 const std::function<PackItem(std::int64_t)>& item, const PackOptions& options) {
  const std::int64_t before = writer.size();  // of the store that is appended to
  take_over(writer, count, item);
  for (std::int64_t begin = writer.size() - before; begin < count; begin += kChunk) {
    const std::int64_t size = std::min(kChunk, count - begin);
    std::vector<PackItem> items(static_cast<std::size_t>(size));
    std::vector<PackedImage> images(items.size());
    parallel_for(size, options.threads, [&](std::int64_t i) {
      const auto n = static_cast<std::size_t>(i);
      items[n] = item(begin + i);
      images[n] =
          pack_image(read_file(items[n].file), items[n].file.string(), items[n].square, options);
    });
    for (std::size_t i = 0; i < items.size(); ++i) {
      writer.add({.encoding = images[i].encoding,
                  .channels = images[i].channels,
                  .height = images[i].height,
                  .width = images[i].width,
                  .source = std::move(items[i].source),
                  .labels = std::move(items[i].labels)},
                 images[i].payload);
    }
    if (options.progress) options.progress(begin + size, count);
  }
}

}  // namespace fovea
