#include "apps/net_input.h"

#include <algorithm>

#include "data/resize.h"
#include "engine/core/error.h"

namespace fovea::apps {
namespace {

// Of a record or an image.
Shape shape_of(const auto& of) { return {of.channels, of.height, of.width}; }

std::vector<std::uint8_t> as_pixels(std::span<const float> values) {
  float low = 0, high = 255;
  if (const auto [least, most] = std::ranges::minmax(values); least < 0 || most > 255)
    low = least, high = most;
  const float factor = high > low ? 255 / (high - low) : 0;
  std::vector<std::uint8_t> pixels;
  pixels.reserve(values.size());
  for (const float value : values)
    pixels.push_back(static_cast<std::uint8_t>(
        // What is no number is black, as NaN compares with nothing.
        value >= low ? std::min(255.0F, (value - low) * factor) + 0.5F : 0.0F));
  return pixels;
}

}  // namespace

void fill_input(const Store& store, std::uint32_t record, const Shape& wanted,
                const TransformParams& transform, std::span<float> input) {
  const RecordInfo info = store.record(record);
  const Shape image = shape_of(info);
  const std::string what = str(store.path().string(), ":record ", record);
  require(image[0] == wanted[0], "wrong channels in ", what, ": ", image[0], ", expected ",
          wanted[0], " as the net has");
  const Shape seen = transformed_shape(transform, image, what);
  require(seen == wanted, "wrong size of ", what, ": ", seen, ", expected ", wanted,
          " as the net has");
  const Window window = centre_window(image, transform.crop);
  if (info.encoding == Encoding::kFloat) {
    transform_image(store.values(record), image, transform, window, input);
  } else {
    std::vector<std::uint8_t> scratch;
    transform_image(store.planes(record, scratch), image, transform, window, input);
  }
}

Image picture_of(const Store& store, std::uint32_t record, int crop) {
  const RecordInfo info = store.record(record);
  if (info.channels != 1 && info.channels != 3) return {};
  std::vector<std::uint8_t> scratch;
  if (info.encoding == Encoding::kFloat) scratch = as_pixels(store.values(record));
  const std::span<const std::uint8_t> planes =
      info.encoding == Encoding::kFloat ? scratch : store.planes(record, scratch);
  return picture_of(from_planes(planes, info.channels, info.height, info.width), crop);
}

Image fitting_photograph(const std::string& file, const TransformParams& transform, int channels) {
  require(channels == 1 || channels == 3, "wrong channels in ", file,
          ": those of a photograph, expected ", channels, " as the net has");
  const int side =
      transform.mean.shape.rank() == 3 ? static_cast<int>(transform.mean.shape[1]) : transform.crop;
  return resize_bilinear(read_image(file, channels), side, side);
}

void fill_input(const Image& image, const TransformParams& transform, std::span<float> input) {
  std::vector<std::uint8_t> planes(image.pixels.size());
  to_planes(image, planes);
  transform_image(planes, shape_of(image), transform,
                  centre_window(shape_of(image), transform.crop), input);
}

Image picture_of(const Image& whole, int crop) {
  const Window window = centre_window(shape_of(whole), crop);
  Image picture{.height = crop, .width = crop, .channels = 3, .pixels = {}};
  for (int row = 0; row < crop; ++row) {
    for (int column = 0; column < crop; ++column) {
      const auto* pixel =
          whole.pixels.data() +
          ((window.top + row) * whole.width + window.left + column) * whole.channels;
      for (int c = 0; c < 3; ++c) picture.pixels.push_back(pixel[whole.channels == 3 ? c : 0]);
    }
  }
  return picture;
}

}  // namespace fovea::apps
