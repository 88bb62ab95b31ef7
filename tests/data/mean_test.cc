#include "data/mean.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "data/blob_proto.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

TEST(Mean, IsTheMeanOverTheEntriesOfTheView) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  const Store store(folder / "a.store");
  const Tensor<float> mean = mean_image(store, store.view("age/some"), 1);
  EXPECT_EQ(mean.shape, (Shape{3, 5, 7}));
  const auto zero = sample_planes(0), one = sample_planes(1);
  for (std::size_t i = 0; i < mean.values.size(); ++i) {
    ASSERT_EQ(mean.values[i], static_cast<float>(zero[i] + one[i]) / 2) << i;
  }
}

TEST(Mean, DoesNotDependOnTheNumberOfThreads) {
  const TemporaryFolder folder;
  StoreWriter writer(folder / "a.store", {}, false);
  std::vector<std::uint32_t> all;
  for (std::uint64_t i = 0; i < 700; ++i) {  // three chunks
    all.push_back(writer.add({.channels = 1, .height = 4, .width = 5}, random_bytes(20, i)));
  }
  writer.add_view("all", "", all, Json::object());
  writer.commit(Json::object());
  const Store store(folder / "a.store");
  const auto one = mean_image(store, store.view("all"), 1);
  EXPECT_EQ(one.values, mean_image(store, store.view("all"), 3).values);
  double sum = 0;
  for (std::uint64_t i = 0; i < 700; ++i) sum += random_bytes(20, i)[13];
  EXPECT_EQ(one.values[13], static_cast<float>(sum / 700));
}

TEST(Mean, OfFloatsIsTheirMeanToo) {
  const TemporaryFolder folder;
  StoreWriter writer(folder / "a.store", {}, false);
  const NewRecord record{.encoding = Encoding::kFloat, .channels = 1, .height = 1, .width = 2};
  for (const std::array<float, 2>& v : {std::array{0.25F, -1.F}, std::array{0.5F, 4.F}}) {
    writer.add(record, {reinterpret_cast<const std::uint8_t*>(v.data()), sizeof v});
  }
  writer.add_view("all", "", std::vector<std::uint32_t>{0, 1, 1}, Json::object());
  writer.commit(Json::object());
  const Store store(folder / "a.store");
  const Tensor<float> mean = mean_image(store, store.view("all"), 2);
  EXPECT_EQ(mean.values, (std::vector<float>{1.25F / 3, 7.F / 3}));
}

// The mean of one of the study's views, if it is at hand: what Caffe wrote is what we write.
TEST(Mean, TheStudysFileComesBackByteForByte) {
  const fs::path path = fs::path(FOVEA_ORACLE) / "../study/mean_images/mixed_fold0.binaryproto";
  if (!fs::exists(path)) GTEST_SKIP() << "no reference file: " << path;
  const Tensor<float> mean = read_mean(path);
  EXPECT_EQ(mean.shape, (Shape{3, 256, 256}));
  const auto [least, most] = std::ranges::minmax(mean.values);
  EXPECT_GT(least, 0.F);
  EXPECT_LT(most, 255.F);
  const TemporaryFolder folder;
  write_mean(folder / "m.binaryproto", mean.view(), false);
  EXPECT_EQ(read_file(folder / "m.binaryproto"), read_file(path));
}

TEST(Mean, FilesOfBothKindsReadAsTheyWereWritten) {
  const TemporaryFolder folder;
  Tensor<float> mean(Shape{3, 2, 200});
  for (std::size_t i = 0; i < mean.values.size(); ++i)
    mean.values[i] = 0.1F * static_cast<float>(i);
  for (const char* name : {"m.npy", "m.binaryproto"}) {
    write_mean(folder / name, mean.view(), false);
    const Tensor<float> read = read_mean(folder / name);
    EXPECT_EQ(read.shape, mean.shape) << name;
    EXPECT_EQ(read.values, mean.values) << name;
    EXPECT_THROW(write_mean(folder / name, mean.view(), false), Error) << name;
  }
  EXPECT_THROW(write_mean(folder / "m.png", mean.view(), false), Error);
}

TEST(Mean, ReadsCaffesFiles) {
  const fs::path folder = fs::path(FOVEA_ORACLE) / "formats/mean";
  if (!fs::exists(folder)) GTEST_SKIP() << "no reference files: " << folder;
  const Tensor<float> expected = read_mean(folder / "mean.npy");
  for (const char* name : {"mean_legacy.binaryproto", "mean_shape.binaryproto"}) {
    const Tensor<float> mean = read_mean(folder / name);
    EXPECT_EQ(mean.shape, expected.shape) << name;
    EXPECT_EQ(mean.values, expected.values) << name;
  }
  // And writes what Caffe's own tool wrote, byte for byte.
  const TemporaryFolder out;
  write_mean(out / "m.binaryproto", expected.view(), false);
  EXPECT_EQ(read_file(out / "m.binaryproto"), read_file(folder / "mean_legacy.binaryproto"));
}

TEST(Mean, ADamagedBinaryprotoIsAnErrorOrHasTheRightSize) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.binaryproto";
  write_mean(path, Tensor<float>(Shape{3, 4, 5}, 7.F).view(), false);
  const std::string bytes = read_file(path);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    write_input(path, bytes.substr(0, size));
    EXPECT_THROW((void)read_mean(path), Error) << size;
  }
  for (std::uint64_t i = 0; i < 100; ++i) {
    std::string flipped = bytes;
    flipped[i % 12] = static_cast<char>(flipped[i % 12] ^ (1 << (i / 12)));
    write_input(path, flipped);
    try {
      const Tensor<float> mean = read_mean(path);
      EXPECT_EQ(mean.shape.count(), static_cast<std::int64_t>(mean.values.size()));
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace fovea
