// The data transformer's kernel on the emulated device beside its reference and the host's own.
#include <gtest/gtest.h>

#include <cmath>

#include "data/transform.h"
#include "engine/backend/host_device.h"
#include "engine/backend/registry.h"
#include "engine/backend/transform.h"
#include "kernels/reference/transform.h"
#include "tests/data/sample_store.h"
#include "tests/emulated/launch_support.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

struct Case {
  const char* why;
  Shape image;  // (C, H, W)
  int crop;
  TransformMean mean;
  bool swap;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.why; }

const Case kCases[] = {
    {"odd crop, as the nets of the study", {3, 16, 15}, 11, TransformMean::kImage, false},
    {"rows of whole fours", {3, 12, 12}, 8, TransformMean::kChannels, false},
    {"the whole image", {3, 7, 7}, 7, TransformMean::kImage, false},
    {"red first", {3, 9, 8}, 5, TransformMean::kImage, true},
    {"one channel", {1, 10, 9}, 6, TransformMean::kValue, false},
    {"one pixel, less than a thread's four", {3, 4, 4}, 1, TransformMean::kValue, true},
    {"several blocks", {3, 40, 40}, 37, TransformMean::kImage, false},
};

class TransformKernel : public testing::TestWithParam<std::tuple<Case, emulated::Order>> {};
INSTANTIATE_TEST_SUITE_P(Cases, TransformKernel,
                         testing::Combine(testing::ValuesIn(kCases),
                                          testing::ValuesIn(emulated::kAllOrders)));

TEST_P(TransformKernel, AgreesWithTheReferenceInBothLayouts) {
  const auto& [c, order] = GetParam();
  const emulated::ThreadOrderScope scope(order);
  const auto device = open_device("emulated");
  constexpr int kImages = 3;
  const auto size = static_cast<std::size_t>(c.image.count());
  const std::vector<std::uint8_t> x = random_bytes(kImages * size, 1);
  const int down = static_cast<int>(c.image[1]) - c.crop,
            right = static_cast<int>(c.image[2]) - c.crop;
  // Images in another order, one of them twice, every corner, both ways round.
  const std::vector<TransformWindow> windows{
      {2, 0, 0, 0}, {0, down, right, 1}, {1, down / 2, right, 0}, {0, 0, right / 2, 1}};
  const std::int64_t means = c.mean == TransformMean::kImage      ? c.image.count()
                             : c.mean == TransformMean::kChannels ? c.image[0]
                                                                  : 1;
  std::vector<float> mean = random_tensor<float>({means}, 2).values;
  for (float& m : mean) m = 128 + 20 * m;
  const Shape y{std::ssize(windows), c.image[0], c.crop, c.crop};
  TransformProblem problem{.x = x.data(),
                           .image = c.image,
                           .windows = windows.data(),
                           .mean = mean.data(),
                           .mean_kind = c.mean,
                           .scale = 0.3F,
                           .swap_channels = c.swap,
                           .y = {nullptr, y, Layout::kPlain}};
  const std::vector<double> expected = reference::transform(problem);
  const emulated::GlobalArray<std::uint8_t> x_there(x);
  const emulated::GlobalArray<TransformWindow> windows_there(windows);
  const emulated::GlobalArray<float> mean_there(mean);
  problem.x = x_there.data(), problem.windows = windows_there.data();
  problem.mean = mean_there.data();
  for (const Layout layout : {Layout::kPlain, Layout::kChannelsLast}) {
    const emulated::GlobalArray<float> y_there(
        std::vector<float>(static_cast<std::size_t>(y.count()), std::nanf("")));
    problem.y = {y_there.data(), y, layout};
    ASSERT_TRUE(transform_images(*device, problem));
    const std::vector<float> actual = y_there.values();
    const std::int64_t plane = y.h() * y.w();
    for (std::int64_t i = 0; i < y.count(); ++i) {
      const std::int64_t n = i / (y.c() * plane), k = i / plane % y.c(), at = i % plane,
                         place = layout == Layout::kPlain ? i : (n * plane + at) * y.c() + k;
      const double e = expected[static_cast<std::size_t>(i)];
      // A difference and a product, rounded.
      ASSERT_NEAR(static_cast<double>(actual[static_cast<std::size_t>(place)]), e,
                  std::abs(e) * 0x1.8p-23)
          << "element " << i;
    }
  }
}

// Bit for bit what the loader feeds a net with on the host.
TEST(TransformKernelAndHost, GiveEqualBits) {
  const auto device = open_device("emulated");
  const Shape image{3, 20, 18};
  const std::vector<std::uint8_t> x = random_bytes(3 * 20 * 18, 3);
  TransformParams params{.crop = 13, .mean = random_tensor<float>(image, 4), .scale = 0.0078125F};
  const emulated::GlobalArray<std::uint8_t> x_there(x);
  const emulated::GlobalArray<float> mean_there(params.mean.values);
  for (const Window window : {Window{3, 5, false}, Window{7, 0, true}}) {
    std::vector<float> here(3 * 13 * 13);
    transform_image(x, image, params, window, here);
    const emulated::GlobalArray<TransformWindow> windows(
        std::vector<TransformWindow>{{0, window.top, window.left, window.mirror ? 1 : 0}});
    const emulated::GlobalArray<float> y(std::vector<float>(here.size()));
    ASSERT_TRUE(transform_images(*device, {.x = x_there.data(),
                                           .image = image,
                                           .windows = windows.data(),
                                           .mean = mean_there.data(),
                                           .mean_kind = TransformMean::kImage,
                                           .scale = params.scale,
                                           .y = {y.data(), {1, 3, 13, 13}, Layout::kPlain}}));
    EXPECT_EQ(y.values(), here);
  }
  const TransformProblem none;
  EXPECT_FALSE(transform_images(*open_host_device(), none));
}

}  // namespace
}  // namespace fovea
