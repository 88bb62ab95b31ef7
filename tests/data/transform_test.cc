#include "data/transform.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"

namespace fovea {
namespace {

const std::filesystem::path kFormats = std::filesystem::path(FOVEA_ORACLE) / "formats";

void expect_equal(const Tensor<float>& expected, const std::vector<float>& actual,
                  const std::string& name) {
  ASSERT_EQ(expected.values.size(), actual.size()) << name;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(expected.values[i], actual[i]) << name << " at " << i;
  }
}

// The parameters of the cases, as their transform_param texts say.
TransformParams params_of(const std::string& text) {
  TransformParams params;
  if (text.find("crop_size: 9") != std::string::npos) params.crop = 9;
  if (text.find("mean_file") != std::string::npos) {
    params.mean = read_npy(kFormats / "mean/mean.npy");
    const Shape s = params.mean.shape;
    if (s.rank() == 4) params.mean.shape = {s[1], s[2], s[3]};
  }
  if (text == "scale: 0.00390625") params.scale = 0.00390625F;
  if (text == "mean_value: 100 scale: 0.5") params.mean.values = {100}, params.scale = 0.5F;
  if (text.find("mean_value: 104") == 0) params.mean = Tensor<float>(Shape{3}, {104, 117, 123});
  return params;
}

TEST(Transform, EqualsCaffesDataTransformerBitForBit) {
  if (!std::filesystem::exists(kFormats / "transform")) {
    GTEST_SKIP() << "no reference numbers: " << kFormats / "transform";
  }
  const Tensor<float> all = read_npy(kFormats / "lmdb_raw_images.npy");
  const Shape image{3, 14, 12};
  for (const Json& c : read_json_file(kFormats / "transform/index.json")) {
    const std::string name = c["name"];
    const auto first = c["image"].get<std::int64_t>() * image.count();
    std::vector<std::uint8_t> planes(static_cast<std::size_t>(image.count()));
    for (std::size_t i = 0; i < planes.size(); ++i) {
      planes[i] = static_cast<std::uint8_t>(all.values[static_cast<std::size_t>(first) + i]);
    }
    const TransformParams params = params_of(c["transform_param"]);
    Window window = centre_window(image, params.crop);
    if (c.contains("h_off")) window = {c["h_off"], c["w_off"], c["mirrored"]};
    const Shape shape = transformed_shape(params, image, name);
    std::vector<float> y(static_cast<std::size_t>(shape.count()));
    transform_image(planes, image, params, window, y);
    expect_equal(read_npy(kFormats / "transform" / (name + ".npy")), y, name);
  }
}

// Against the formula of the header, over all windows of a small image and every kind of mean.
TEST(Transform, IsTheFormulaForEveryWindow) {
  const Shape image{3, 5, 7};
  std::vector<std::uint8_t> planes(105);
  std::iota(planes.begin(), planes.end(), std::uint8_t{100});
  Tensor<float> mean_image(image);
  std::iota(mean_image.values.begin(), mean_image.values.end(), 0.25F);
  for (const Tensor<float>& mean :
       {Tensor<float>{}, Tensor<float>(Shape{3}, {1.5F, 2.5F, 3.5F}), mean_image}) {
    const TransformParams params{.crop = 3, .mean = mean, .scale = 0.5F};
    for (int at = 0; at < 3 * 5 * 2; ++at) {
      const Window window{at % 3, at / 3 % 5, at >= 15};
      std::vector<float> y(27);
      transform_image(planes, image, params, window, y);
      for (int i = 0; i < 27; ++i) {
        const int c = i / 9, p = i / 3 % 3, q = i % 3;
        const int source = (c * 5 + window.top + p) * 7 + window.left + (window.mirror ? 2 - q : q);
        const float m = mean.shape.rank() == 3   ? mean.values[static_cast<std::size_t>(source)]
                        : mean.shape.rank() == 1 ? mean.values[static_cast<std::size_t>(c)]
                                                 : 0.F;
        const float pixel = planes[static_cast<std::size_t>(source)];
        ASSERT_EQ(y[static_cast<std::size_t>(i)], (pixel - m) * 0.5F) << at << " element " << i;
      }
    }
  }
}

TEST(Transform, OversampleIsCornersCentreAndTheirMirrors) {
  const auto windows = oversample_windows({3, 256, 256}, 227);
  const std::vector<Window> expected{{0, 0},         {0, 29},       {29, 0},       {29, 29},
                                     {14, 14},       {0, 0, true},  {0, 29, true}, {29, 0, true},
                                     {29, 29, true}, {14, 14, true}};
  EXPECT_EQ(windows, expected);
}

TEST(Transform, RefusesCropsAndMeansThatDoNotFit) {
  const Shape image{3, 20, 30};
  EXPECT_THROW((void)transformed_shape({.crop = 21}, image, "x"), Error);
  EXPECT_THROW((void)transformed_shape({.mean = Tensor<float>(Shape{3, 30, 20})}, image, "x"),
               Error);
  EXPECT_EQ(transformed_shape({.crop = 20}, image, "x"), (Shape{3, 20, 20}));
  EXPECT_EQ(transformed_shape({}, image, "x"), image);
}

}  // namespace
}  // namespace fovea
