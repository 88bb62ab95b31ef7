#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>

#include "data/store.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

constexpr int kRecords = 23;
const Shape kImage{3, 8, 9};

// A store of kRecords random images; record i has label i, so that a batch's labels say which
// records it holds.
class LoaderTest : public testing::Test {
 protected:
  LoaderTest() : path_(folder_ / "a.store") {
    std::vector<std::string> classes;
    std::vector<std::uint32_t> all;
    for (int i = 0; i < kRecords; ++i) classes.push_back(std::to_string(i));
    StoreWriter writer(path_, {{"number", classes}, {"half", {"only"}}}, true);
    for (int i = 0; i < kRecords; ++i) {
      NewRecord record{.height = 8, .width = 9, .labels = {i, i % 2 == 0 ? 0 : kMissing}};
      const auto planes = random_bytes(216, static_cast<std::uint64_t>(i));
      if (i == 5) {  // one encoded record among the raw ones
        record.encoding = Encoding::kPng;
        const std::string png = encode_png(from_planes(planes, 3, 8, 9));
        writer.add(record, {reinterpret_cast<const std::uint8_t*>(png.data()), png.size()});
      } else {
        writer.add(record, planes);
      }
      all.push_back(static_cast<std::uint32_t>(i));
    }
    writer.add_view("all", "number", all, Json::object());
    writer.add_view("none", "number", {}, Json::object());
    writer.add_view("untargeted", "", all, Json::object());
    writer.commit(Json::object());
    store_.emplace(path_);
  }

  static LoaderOptions training() {
    LoaderOptions options{.view = "all", .batch = 4};
    options.transform.crop = 6;
    options.transform.scale = 0.5F;
    options.transform.mean = Tensor<float>(kImage, 100.F);
    options.crops = Crops::kRandom;
    options.mirror = options.shuffle = true;
    options.seed = 9;
    return options;
  }
  [[nodiscard]] Batch batch_at(const LoaderOptions& options, std::int64_t index) const {
    Batch batch{.index = index,
                .images = Tensor<float>(BatchSource(*store_, options).batch_shape()),
                .labels = std::vector<float>(static_cast<std::size_t>(options.batch))};
    load_batch(*store_, options, index, batch.images.view(), batch.labels);
    return batch;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_;
  std::optional<Store> store_;
};

TEST_F(LoaderTest, EveryEpochIsAPermutationOfTheWholeView) {
  const LoaderOptions options = training();
  std::vector<int> run;
  for (std::int64_t k = 0; k < 12; ++k) {  // 48 records: two epochs and a little
    for (const float label : batch_at(options, k).labels) run.push_back(static_cast<int>(label));
  }
  const std::vector<int> first(run.begin(), run.begin() + kRecords);
  const std::vector<int> second(run.begin() + kRecords, run.begin() + 2 * kRecords);
  EXPECT_EQ(std::set<int>(first.begin(), first.end()).size(), std::size_t{kRecords});
  EXPECT_EQ(std::set<int>(second.begin(), second.end()).size(), std::size_t{kRecords});
  EXPECT_NE(first, second);
}

TEST_F(LoaderTest, ThreadsAndPrefetchingGiveThePureFunctionsBatches) {
  for (const auto& [threads, prefetch] : {std::pair{1, 1}, {1, 3}, {3, 4}, {4, 2}}) {
    LoaderOptions options = training();
    options.threads = threads, options.prefetch = prefetch;
    Loader loader(*store_, options);
    for (std::int64_t k = 0; k < 30; ++k) {
      const Batch expected = batch_at(options, k);
      const Batch& actual = loader.next();
      ASSERT_EQ(actual.index, k);
      ASSERT_EQ(actual.images.values, expected.images.values) << threads << " " << prefetch;
      ASSERT_EQ(actual.labels, expected.labels);
    }
  }
}

TEST_F(LoaderTest, ResumesExactly) {
  LoaderOptions options = training();
  Loader undisturbed(*store_, options);
  for (int k = 0; k < 17; ++k) (void)undisturbed.next();
  options.first_batch = undisturbed.position();
  EXPECT_EQ(options.first_batch, 17);
  Loader resumed(*store_, options);
  Batch expected = undisturbed.next();
  Batch actual = expected;
  std::fill(actual.images.values.begin(), actual.images.values.end(), 0.F);
  resumed.next(actual.images.view(), actual.labels);
  EXPECT_EQ(actual.images.values, expected.images.values);
  EXPECT_EQ(actual.labels, expected.labels);
}

TEST_F(LoaderTest, ImagesAreTheTransformedRecords) {
  LoaderOptions options{.view = "all", .batch = kRecords};
  options.transform = {.crop = 6, .mean = Tensor<float>(Shape{3}, {1, 2, 3}), .scale = 2.F};
  const Batch batch = batch_at(options, 0);
  EXPECT_EQ(batch.images.shape, (Shape{kRecords, 3, 6, 6}));
  for (int i = 0; i < kRecords; ++i) {
    std::vector<float> y(108);
    transform_image(random_bytes(216, static_cast<std::uint64_t>(i)), kImage, options.transform,
                    {.top = 1, .left = 1}, y);
    const auto* image = batch.images.values.data() + 108 * i;
    ASSERT_EQ(std::vector<float>(image, image + 108), y) << i;
    ASSERT_EQ(batch.labels[static_cast<std::size_t>(i)], static_cast<float>(i));
  }
}

TEST_F(LoaderTest, RandomCropsAndMirrorsReachEveryWindow) {
  LoaderOptions options = training();
  options.transform = {.crop = 7};
  options.batch = 200;
  const Batch batch = batch_at(options, 0);
  std::set<std::vector<float>> windows;  // of record 0: 2 x 3 offsets, mirrored or not
  for (std::size_t i = 0; i < 200; ++i) {
    if (batch.labels[i] != 0.F) continue;
    const auto* image = batch.images.values.data() + 147 * i;
    windows.insert(std::vector<float>(image, image + 147));
  }
  EXPECT_GE(windows.size(), 5U);  // 8 or 9 draws of 12
  std::set<std::pair<int, int>> offsets;
  int mirrored = 0;
  const auto planes = random_bytes(216, 0);
  for (const auto& window : windows) {
    for (int at = 0; at < 12; ++at) {
      std::vector<float> y(147);
      const Window candidate{at % 2, at / 2 % 3, at >= 6};
      transform_image(planes, kImage, options.transform, candidate, y);
      if (y != window) continue;
      offsets.insert({candidate.top, candidate.left});
      mirrored += candidate.mirror ? 1 : 0;
    }
  }
  EXPECT_GE(offsets.size(), 3U);
  EXPECT_GT(mirrored, 0);
  EXPECT_LT(mirrored, static_cast<int>(windows.size()));
}

TEST_F(LoaderTest, OversamplingGivesTenImagesPerRecord) {
  LoaderOptions options{.view = "all", .batch = 2, .transform = {.crop = 6}};
  options.crops = Crops::kOversample;
  const Batch batch = batch_at(options, 1);
  EXPECT_EQ(batch.images.shape, (Shape{20, 3, 6, 6}));
  EXPECT_EQ(batch.labels, (std::vector<float>{2, 3}));
  const auto windows = oversample_windows(kImage, 6);
  std::vector<float> y(108);
  transform_image(random_bytes(216, 3), kImage, options.transform, windows[7], y);
  const auto* image = batch.images.values.data() + 108 * 17;
  EXPECT_EQ(std::vector<float>(image, image + 108), y);
}

TEST_F(LoaderTest, TheLastBatchOfAnEpochRunsOnIntoTheNext) {
  const LoaderOptions options{.view = "all", .batch = 10};
  EXPECT_EQ(BatchSource(*store_, options).batches_per_epoch(), 3);
  EXPECT_EQ(batch_at(options, 2).labels, (std::vector<float>{20, 21, 22, 0, 1, 2, 3, 4, 5, 6}));
}

TEST_F(LoaderTest, MistakesAreErrors) {
  const auto message = [&](const LoaderOptions& options) {
    return message_of([&] { BatchSource(*store_, options); });
  };
  const std::string file = path_.string();
  EXPECT_EQ(message({.view = "al"}), "unknown view in " + file + ": 'al', did you mean 'all'?");
  EXPECT_EQ(message({.view = "none"}),
            "empty view in " + file + ":none: 0 records, expected at least one");
  EXPECT_EQ(message({.view = "all", .label = "half"}),
            "missing label in " + file + ":all: record 1 has no half, expected one");
  EXPECT_EQ(message({.view = "untargeted"}),
            "view in " + file + ":untargeted: about no column, expected a label to be named");
  EXPECT_EQ(message({.view = "untargeted", .label = "number"}), "");
  EXPECT_EQ(message({.view = "all", .transform = {.crop = 9}}),
            "crop of " + file + ":all: 9, expected at most the image's 8 x 9");
}

TEST_F(LoaderTest, ADamagedRecordComesOutOfNext) {
  const std::uint64_t at = 64 + 256 * 3 + 7;  // 216 bytes per record, in steps of 256
  store_.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
  }
  store_.emplace(path_);
  LoaderOptions options{.view = "all", .batch = 2};
  options.threads = options.prefetch = 2;
  Loader loader(*store_, options);
  (void)loader.next();  // records 0 and 1
  for (int repeat = 0; repeat < 2; ++repeat) {
    EXPECT_NE(message_of([&] { (void)loader.next(); }).find("record 3"), std::string::npos);
  }
}

TEST_F(LoaderTest, CanBeThrownAwayAtAnyTime) {
  LoaderOptions options = training();
  options.threads = options.prefetch = 3;
  for (int i = 0; i < 20; ++i) {
    Loader loader(*store_, options);
    for (int k = 0; k < i % 4; ++k) (void)loader.next();
  }
}

}  // namespace
}  // namespace fovea
