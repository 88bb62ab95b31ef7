#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>

#include "data/store.h"
#include "engine/core/json_fields.h"
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
    options.mirror = true;
    options.sampling = Sampling::kShuffle;
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

TEST(Loader, FloatsAreCroppedAndShiftedAsPixelsAre) {
  const TemporaryFolder folder;
  std::vector<float> values;
  for (int i = 0; i < 20; ++i) values.push_back(0.5F * static_cast<float>(i) - 3);
  StoreWriter writer(folder / "f.store", {{"digit", {"0"}}}, false);
  writer.add({.encoding = Encoding::kFloat, .channels = 1, .height = 4, .width = 5, .labels = {0}},
             {reinterpret_cast<const std::uint8_t*>(values.data()), 80});
  writer.add_view("all", "digit", std::vector<std::uint32_t>{0}, Json::object());
  writer.commit(Json::object());
  const Store store(folder / "f.store");
  LoaderOptions options{.view = "all", .batch = 1};
  options.transform = {.crop = 2, .mean = Tensor<float>(Shape{}, {1.F}), .scale = 4.F};
  BatchSource source(store, options);
  Tensor<float> images(source.batch_shape());
  std::vector<float> labels(1);
  source.load(0, images.view(), labels);
  // Rows 1 and 2, columns 1 and 2.
  EXPECT_EQ(images.values, (std::vector<float>{-4, -2, 6, 8}));
  options.augment.rotation = 3;
  EXPECT_THROW(BatchSource(store, options), Error);
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

TEST_F(LoaderTest, RanksShareOutTheBatchesOfOneProcess) {
  LoaderOptions alone = training();
  for (int ranks : {2, 3}) {
    for (int rank = 0; rank < ranks; ++rank) {
      LoaderOptions shared = alone;
      shared.rank = rank, shared.ranks = ranks;
      for (std::int64_t k = 0; k < 4; ++k) {
        const Batch expected = batch_at(alone, k * ranks + rank), actual = batch_at(shared, k);
        EXPECT_EQ(actual.labels, expected.labels);
        EXPECT_EQ(actual.images.values, expected.images.values);
      }
    }
  }
  alone.rank = 2, alone.ranks = 2;
  EXPECT_THROW(BatchSource(*store_, alone), Error);
}

// How often each class is drawn in many batches.
std::vector<int> class_counts(const BatchSource& source, const LabelColumn& column, int draws) {
  std::vector<int> counts(column.classes.size());
  for (int p = 0; p < draws; ++p) {
    const std::uint32_t record = source.record_at(static_cast<std::uint64_t>(p));
    ++counts[static_cast<std::size_t>(column.values[record])];
  }
  return counts;
}

TEST(Sampling, DrawsClassesEquallyOrByWeight) {
  const TemporaryFolder folder;
  {  // 90 records of class 0, 9 of class 1, none of class 2, 1 of class 3
    StoreWriter writer(folder / "a.store", {{"y", {"a", "b", "c", "d"}}}, false);
    std::vector<std::uint32_t> all;
    for (int i = 0; i < 100; ++i) {
      const int y = i < 90 ? 0 : i < 99 ? 1 : 3;
      all.push_back(writer.add({.channels = 1, .height = 1, .width = 1, .labels = {y}},
                               std::vector<std::uint8_t>{std::uint8_t(i)}));
    }
    writer.add_view("all", "y", all, Json::object());
    writer.commit(Json::object());
  }
  const Store store(folder / "a.store");
  const LabelColumn& y = store.column("y");
  constexpr int kDraws = 30000;
  LoaderOptions options{.view = "all", .sampling = Sampling::kBalanced, .seed = 4};
  std::vector<int> counts = class_counts(BatchSource(store, options), y, kDraws);
  // Binomial: sqrt(30000 / 3 * 2 / 3) = 82; five of these.
  for (const int k : {0, 1, 3}) EXPECT_NEAR(counts[static_cast<std::size_t>(k)], 10000, 410) << k;
  EXPECT_EQ(counts[2], 0);
  options.sampling = Sampling::kWeighted;
  options.class_weights = {0, 3, 100, 1};
  counts = class_counts(BatchSource(store, options), y, kDraws);
  EXPECT_EQ(counts[0], 0);
  EXPECT_NEAR(counts[1], 22500, 375);  // 5 sqrt(30000 3/4 1/4)
  EXPECT_EQ(counts[1] + counts[3], kDraws);
  // Every record of a class has its turn.
  std::set<std::uint32_t> seen;
  const BatchSource source(store, options);
  for (std::uint64_t p = 0; p < 1000; ++p) seen.insert(source.record_at(p));
  EXPECT_EQ(seen.size(), 10U);
  options.class_weights = {0, 0, 1, 0};
  EXPECT_THROW(BatchSource(store, options), Error);
  options.class_weights = {1};
  EXPECT_EQ(message_of([&] { BatchSource(store, options); }),
            str("class weights for ", (folder / "a.store").string(),
                ":all: 1, expected one for each of 4 classes"));
}

TEST(Augment, IsTheIdentityAtZeroAndAFunctionOfItsKey) {
  const auto planes = random_bytes(3 * 9 * 8, 1);
  const Shape shape{3, 9, 8};
  std::vector<std::uint8_t> out, again, other;
  augment_planes(planes, shape, {}, {.seed = 1}, out);
  EXPECT_EQ(out, planes);
  const Augmentation all{.rotation = 10, .zoom = 0.1F, .brightness = 0.2F, .colour = 0.1F};
  augment_planes(planes, shape, all, {.seed = 1}, out);
  augment_planes(planes, shape, all, {.seed = 1}, again);
  augment_planes(planes, shape, all, {.seed = 2}, other);
  EXPECT_EQ(out, again);
  EXPECT_NE(out, planes);
  EXPECT_NE(out, other);
}

TEST(Augment, TurnsZoomsAndColoursAsItsFormulaSays) {
  // A plane that is linear in x and y stays linear under the map, so the formula can be read off.
  constexpr int kSize = 21;
  std::vector<std::uint8_t> planes;
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) planes.push_back(static_cast<std::uint8_t>(20 + 4 * x + 6 * y));
  }
  const Shape shape{1, kSize, kSize};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const RandomKey key{.seed = seed};
    const Augmentation a{.rotation = 25, .zoom = 0.2F, .brightness = 0.1F, .colour = 0.05F};
    std::vector<std::uint8_t> out;
    augment_planes(planes, shape, a, key, out);
    const auto draw = [&](std::uint64_t i) { return 2.0 * double{random_uniform(key, i)} - 1; };
    const double angle = draw(0) * 25 * M_PI / 180, zoom = 1 + draw(1) * 0.2;
    const double gain = (1 + draw(2) * 0.1) * (1 + draw(3) * 0.05);
    for (int y = 7; y <= 13; ++y) {  // near the middle, where no edge is repeated
      for (int x = 7; x <= 13; ++x) {
        const double dx = x - 10, dy = y - 10;
        const double from_x = 10 + (std::cos(angle) * dx + std::sin(angle) * dy) / zoom;
        const double from_y = 10 + (std::cos(angle) * dy - std::sin(angle) * dx) / zoom;
        EXPECT_NEAR(out[std::size_t(y * kSize + x)], gain * (20 + 4 * from_x + 6 * from_y), 0.51);
      }
    }
  }
  EXPECT_THROW(check_augmentation({.zoom = 1}, "x"), Error);
  EXPECT_THROW(check_augmentation({.rotation = -1}, "x"), Error);
}

}  // namespace
}  // namespace fovea
