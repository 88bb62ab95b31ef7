// Batches cut on a device beside those that the host makes: the same bits, whatever the way.
#include "data/feed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "data/loader.h"
#include "engine/backend/registry.h"
#include "engine/graph/net_json.h"
#include "tests/data/sample_store.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

constexpr int kRecords = 13;
const Shape kImage{3, 9, 10};

// A net that reads its input as the device's convolutions do.
Graph small_net(std::int64_t images, int crop) {
  return build_graph(json_net(
      Json::parse(str(R"({"name": "small", "input": {"shape": [3, )", crop, ", ", crop, R"(]},
        "layers": [{"name": "conv", "type": "convolution", "outputs": 4, "kernel": 3},
                   {"name": "fc", "type": "inner_product", "outputs": 13},
                   {"name": "loss", "type": "softmax_loss", "bottom": ["fc", "label"]}]})")),
      {.phase = Phase::kTrain, .batch = images}, "test net"));
}

class FeedTest : public testing::Test {
 protected:
  FeedTest() {
    if (!missing_device("emulated").empty()) return;
    std::vector<std::string> classes;
    std::vector<std::uint32_t> all, odd;
    for (std::uint32_t i = 0; i < kRecords; ++i) {
      classes.push_back(std::to_string(i));
      all.push_back(i);
      if (i % 2 == 1) odd.push_back(kRecords - 1 - i);
    }
    StoreWriter writer(folder_ / "a.store", {{"number", classes}}, true);
    for (int i = 0; i < kRecords; ++i) {
      NewRecord record{.height = 9, .width = 10, .labels = {i}};
      const auto planes = random_bytes(270, static_cast<std::uint64_t>(i));
      if (i % 3 == 1) {  // decoded, not read in place
        record.encoding = Encoding::kPng;
        writer.add(record, as_bytes(encode_png(from_planes(planes, 3, 9, 10))));
      } else {
        writer.add(record, planes);
      }
    }
    odd.push_back(odd[1]);  // twice in the view
    writer.add_view("all", "number", all, Json::object());
    writer.add_view("odd", "number", odd, Json::object());
    writer.commit(Json::object());
    store_.emplace(folder_ / "a.store");
  }
  void SetUp() override {
    if (!store_) GTEST_SKIP() << missing_device("emulated");
  }

  // The first batches that `kind` feeds are load_batch()'s, in the net's input and for the host.
  void expect_batches(const LoaderOptions& options, FeedKind kind, int batches = 7) const {
    const bool on_device = feeds_on_device(*store_, options, "emulated", kind);
    EXPECT_EQ(on_device, kind != FeedKind::kHost);
    const std::int64_t images = BatchSource(*store_, options).batch_shape().n();
    Executor executor(small_net(images, options.transform.crop ? options.transform.crop : 9),
                      {.device = "emulated", .device_inputs = on_device});
    const std::unique_ptr<Feed> feed = open_feed(*store_, options, executor, kind);
    Tensor<float> expected(BatchSource(*store_, options).batch_shape());
    std::vector<float> labels(static_cast<std::size_t>(options.batch));
    for (int k = 0; k < batches; ++k) {
      load_batch(*store_, options, options.first_batch + k, expected.view(), labels);
      const std::span<const float> given = feed->next();
      ASSERT_TRUE(std::ranges::equal(given, labels)) << k;
      executor.forward();
      ASSERT_EQ(executor.blob("data").values, expected.values) << feed->description() << ' ' << k;
      if (images != options.batch) continue;  // a label per image is not what the net wants there
      ASSERT_TRUE(std::ranges::equal(executor.input("label").span(), labels)) << k;
      ASSERT_EQ(executor.blob("label").values, labels) << k;
    }
  }

  TemporaryFolder folder_;
  std::optional<Store> store_;
};

LoaderOptions training() {
  LoaderOptions options{.view = "all", .batch = 4};
  options.transform = {.crop = 6, .mean = random_tensor<float>(kImage, 4), .scale = 0.3F};
  for (float& m : options.transform.mean.values) m = 128 + 20 * m;
  options.crops = Crops::kRandom;
  options.mirror = true;
  options.sampling = Sampling::kShuffle;
  options.seed = 9;
  return options;
}

constexpr FeedKind kKinds[] = {FeedKind::kHost, FeedKind::kStreamed, FeedKind::kResident};

TEST_F(FeedTest, EveryWayGivesTheLoadersBatches) {
  for (const FeedKind kind : kKinds) {
    LoaderOptions options = training();
    expect_batches(options, kind);
    options.first_batch = 5;  // resumed
    expect_batches(options, kind);
    options.view = "odd", options.sampling = Sampling::kInOrder;
    expect_batches(options, kind);
    options.sampling = Sampling::kBalanced;
    expect_batches(options, kind);
  }
}

TEST_F(FeedTest, EveryMean) {
  for (const FeedKind kind : kKinds) {
    LoaderOptions options = training();
    options.transform.mean = Tensor<float>(Shape{3}, {100.5F, 110.25F, 120});
    expect_batches(options, kind, 3);
    options.transform.mean = Tensor<float>(Shape{}, {127.5F});
    expect_batches(options, kind, 3);
  }
}

TEST_F(FeedTest, AShareOfTheBatchesForEachRank) {
  for (const FeedKind kind : kKinds) {
    for (const int rank : {0, 1, 2}) {
      LoaderOptions options = training();
      options.rank = rank, options.ranks = 3;
      expect_batches(options, kind, 4);
    }
  }
}

TEST_F(FeedTest, TheCropsOfAnEvaluation) {
  for (const Crops crops :
       {Crops::kCentre, Crops::kOversample, Crops::kBottomRight, Crops::kCentreMirror}) {
    for (const FeedKind kind : kKinds) {
      LoaderOptions options = training();
      options.crops = crops, options.mirror = false, options.sampling = Sampling::kInOrder;
      options.batch = 3;
      expect_batches(options, kind, 5);
    }
  }
}

TEST_F(FeedTest, ThreadsAndPrefetchingChangeNothing) {
  for (const FeedKind kind : kKinds) {
    for (const auto& [threads, prefetch] : {std::pair{1, 1}, {1, 3}, {3, 4}, {4, 2}}) {
      LoaderOptions options = training();
      options.threads = threads, options.prefetch = prefetch;
      expect_batches(options, kind, 12);
    }
  }
}

TEST_F(FeedTest, WritesTheLayoutThatTheFirstLayerReads) {
  for (const bool on_device : {false, true}) {
    const Executor executor(small_net(4, 6), {.device = "emulated", .device_inputs = on_device});
    const std::vector<StepInfo> steps = executor.steps();
    EXPECT_EQ(steps[0].implementation == "reorder", !on_device) << steps[0].label;
    EXPECT_EQ(executor.raw(executor.graph().inputs[0]).layout,
              on_device ? Layout::kChannelsLast : Layout::kPlain);
  }
}

TEST_F(FeedTest, TheHostMakesWhatTheDeviceCannot) {
  LoaderOptions options = training();
  std::string reason;
  EXPECT_TRUE(feeds_on_device(*store_, options, "emulated", FeedKind::kAuto, &reason));
  EXPECT_EQ(reason, "");
  // Where the memory is the host's there is nothing to say.
  EXPECT_FALSE(feeds_on_device(*store_, options, "cpu", FeedKind::kAuto, &reason));
  EXPECT_EQ(reason, "");
  options.augment.rotation = 3;
  EXPECT_FALSE(feeds_on_device(*store_, options, "emulated", FeedKind::kAuto, &reason));
  EXPECT_EQ(reason, "the images are augmented");
  EXPECT_NE(message_of([&] {
              (void)feeds_on_device(*store_, options, "emulated", FeedKind::kResident);
            }).find("no resident batches"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              (void)feeds_on_device(*store_, training(), "cpu", FeedKind::kStreamed);
            }).find("the memory of device cpu is the host's, expected auto or host"),
            std::string::npos);
}

TEST_F(FeedTest, FloatsAreTheHostsBusiness) {
  StoreWriter writer(folder_ / "f.store", {{"number", {"0"}}}, true);
  const std::vector<float> values(20, 0.5F);
  writer.add({.encoding = Encoding::kFloat, .channels = 1, .height = 4, .width = 5, .labels = {0}},
             {reinterpret_cast<const std::uint8_t*>(values.data()), 80});
  writer.add_view("all", "number", std::vector<std::uint32_t>{0}, Json::object());
  writer.commit(Json::object());
  std::string reason;
  EXPECT_FALSE(feeds_on_device(Store(folder_ / "f.store"), {.view = "all"}, "emulated",
                               FeedKind::kAuto, &reason));
  EXPECT_EQ(reason, "record 0 is of floats");
}

TEST_F(FeedTest, ADamagedRecordIsAnErrorThatNamesTheStore) {
  {
    const std::uint64_t at = store_->index().records[0].offset + 7;
    std::fstream file(folder_ / "a.store", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('?');
  }
  store_.emplace(folder_ / "a.store");
  for (const FeedKind kind : kKinds) {
    LoaderOptions options = training();
    const bool on_device = kind != FeedKind::kHost;
    Executor executor(small_net(4, 6), {.device = "emulated", .device_inputs = on_device});
    EXPECT_NE(message_of([&] {
                const auto feed = open_feed(*store_, options, executor, kind);
                for (int k = 0; k < 4; ++k) (void)feed->next();
              }).find("a.store"),
              std::string::npos);
  }
}

TEST_F(FeedTest, WhatIsSentArrivesWhenItIsWaitedForAndStaysUntilItIsRead) {
  const std::shared_ptr<Device> device = open_device("emulated");
  const std::unique_ptr<StagedUpload> block = device->stage(4);
  const auto there = [&] {
    std::vector<std::byte> bytes(4);
    device->download(bytes.data(), block->device_block(), 4);
    return bytes;
  };
  const std::vector<std::byte> first(4, std::byte{7});
  std::ranges::copy(first, block->host_block());
  block->send(4);
  EXPECT_NE(there(), first);
  block->arrive();
  EXPECT_EQ(there(), first);
  block->finished();
  EXPECT_NE(there(), first);
}

}  // namespace
}  // namespace fovea
