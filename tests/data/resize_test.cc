#include "data/resize.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"

namespace fovea {
namespace {

const std::filesystem::path kCases = std::filesystem::path(FOVEA_ORACLE) / "formats/resize";

Image read_hwc(const std::filesystem::path& path) {
  const Tensor<float> values = read_npy(path);
  Image image{static_cast<int>(values.shape[0]), static_cast<int>(values.shape[1]), 3, {}};
  for (const float value : values.values) image.pixels.push_back(static_cast<std::uint8_t>(value));
  return image;
}

TEST(Resize, EqualsOpenCvBitForBit) {
  if (!std::filesystem::exists(kCases)) GTEST_SKIP() << "no reference images: " << kCases;
  const Json index = read_json_file(kCases / "index.json");
  for (const Json& c : index["cases"]) {
    const Image source = read_hwc(kCases / c["src"].get<std::string>());
    const Image expected = read_hwc(kCases / c["dst"].get<std::string>());
    const Image actual = resize_bilinear(source, c["h"].get<int>(), c["w"].get<int>());
    ASSERT_EQ(actual.pixels.size(), expected.pixels.size());
    for (std::size_t i = 0; i < actual.pixels.size(); ++i) {
      ASSERT_EQ(int{actual.pixels[i]}, int{expected.pixels[i]}) << c["dst"] << " at byte " << i;
    }
  }
}

// The same arithmetic, by hand: 1 x 2 pixels to 1 x 4 have weights (1, 0), (3/4, 1/4), (1/4, 3/4),
// (0, 1).
TEST(Resize, InterpolatesBetweenPixelCentres) {
  const Image two{1, 2, 1, {0, 200}};
  EXPECT_EQ(resize_bilinear(two, 1, 4).pixels, (std::vector<std::uint8_t>{0, 50, 150, 200}));
}

TEST(Resize, AnExactHalvingIsTheMeanOfFourPixels) {
  const Image four{2, 2, 1, {0, 1, 2, 3}};
  EXPECT_EQ(resize_bilinear(four, 1, 1).pixels, (std::vector<std::uint8_t>{2}));  // 6 / 4, rounded
}

TEST(Resize, AUniformImageStaysUniformAtEverySize) {
  for (int extent = 1; extent <= 12; ++extent) {
    const Image image{5, 7, 3, std::vector<std::uint8_t>(105, 255)};
    const Image resized = resize_bilinear(image, extent, 13 - extent);
    for (const std::uint8_t pixel : resized.pixels) ASSERT_EQ(int{pixel}, 255) << extent;
  }
}

}  // namespace
}  // namespace fovea
