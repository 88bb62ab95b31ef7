// Walks that a device runs as a whole: what they read back and when, and that they have the numbers
// of walks step by step.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"
#include "engine/relevance/places.h"
#include "engine/relevance/walk_run.h"
#include "tests/relevance/small_net.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// The emulated device, which counts what a recording (CUDA graph) could not hold.
class WatchedDevice final : public Device {
 public:
  explicit WatchedDevice(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  [[nodiscard]] std::string name() const override { return device_->name(); }
  [[nodiscard]] bool host_memory() const override { return false; }
  [[nodiscard]] void* allocate(std::size_t bytes) override {
    count(allocations);
    return device_->allocate(bytes);
  }
  void release(void* data) noexcept override { device_->release(data); }
  [[nodiscard]] std::size_t free_bytes() const override { return device_->free_bytes(); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    count(uploads);
    device_->upload(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    count(downloads);
    device_->download(to, from, bytes);
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    device_->copy(to, from, bytes);
  }
  void clear(void* data, std::size_t bytes) override { device_->clear(data, bytes); }
  [[nodiscard]] std::unique_ptr<StagedUpload> stage(std::size_t bytes) override {
    return device_->stage(bytes);
  }
  void synchronize() override {
    int waits = 0;
    count(waits);
  }
  void reorder(const OpTensor& from, const OpTensor& to) override { device_->reorder(from, to); }
  [[nodiscard]] std::function<void()> record(std::function<void()> work) override {
    ++recordings;
    work();
    return [this, work] {
      recorded_ = true;
      work();
      recorded_ = false;
      ++replays;
    };
  }
  [[nodiscard]] std::vector<double> time(const std::function<void()>& work, int runs,
                                         bool cold) override {
    return device_->time(work, runs, cold);
  }

  int uploads = 0, downloads = 0, allocations = 0, recordings = 0, replays = 0;
  int unrecordable = 0;  // of these within a replay

 private:
  void count(int& of) { ++of, unrecordable += recorded_ ? 1 : 0; }

  std::shared_ptr<Device> device_;
  bool recorded_ = false;
};

// A walk through small_net() with random weights, on the emulated device, watched.
class WatchedWalk {
 public:
  explicit WatchedWalk(const std::string& preset, const std::string& last = "fc4",
                       std::vector<ChannelChoice> channels = {}) {
    options_.composite = load_composite(preset, {.flat_until = 0});
    options_.device = "emulated";
    options_.last = full_.find_node(last);
    options_.channels = std::move(channels);
    bounds_.low = Tensor<float>(Shape{3, 8, 8}, -3.0F);
    bounds_.high = Tensor<float>(Shape{3, 8, 8}, 3.0F);
    executor_.emplace(prune_to(full_, ends_of_walk(full_, options_)),
                      ExecutorOptions{.device = "emulated", .keep_all = true});
    kernels_ = relevance_kernels("emulated", device);
    walk_ = walk_steps(full_, *executor_, *kernels_, options_, &bounds_);
    const Graph& graph = executor_->graph();
    start_ = graph.nodes[static_cast<std::size_t>(graph.find_node(last))].tops[0];
    memory_ = WalkMemory(*executor_, walk_, start_, false);
    run_.emplace(*executor_, *kernels_, walk_, memory_, start_, last);
    set_weights(10);
    std::ranges::copy(random_tensor<float>(Shape{2, 3, 8, 8}, 1).values,
                      executor_->input("data").data);
    executor_->forward();
  }

  void set_weights(std::uint64_t seed) {
    for (std::size_t k = 0; k < executor_->param_count(); ++k) {
      Tensor<float> values = random_tensor<float>(executor_->param_info(k).shape, seed + k);
      for (float& v : values.values) v *= values.shape.rank() == 1 ? 0.1F : 0.5F;
      executor_->set_param(k, values.values);
    }
    for (WalkStep& w : walk_) {
      if (w.params.empty()) continue;
      w.step->set_params(executor_->param(w.params[0]), executor_->param(w.params[1]));
    }
    run_->steps_changed();
  }

  [[nodiscard]] Tensor<float> scores() const { return executor_->tensor(start_); }
  void run(const Tensor<float>& start) { run_->run(start.view()); }
  // Nobody is shown a step, but a walk with a visitor goes step by step.
  void run_by_steps(const Tensor<float>& start) {
    run_->visit_steps([](const Node&, const std::string&, const std::function<void()>&) {});
    run_->run(start.view());
    run_->visit_steps({});
  }
  [[nodiscard]] std::vector<float> map() const {
    const Node& first = executor_->graph().nodes[static_cast<std::size_t>(walk_.back().node)];
    return download_plain(executor_->device(), memory_.at(first.bottoms[0])).values;
  }
  [[nodiscard]] const WalkRun& result() const { return *run_; }

  WatchedDevice device{open_device("emulated")};

 private:
  Graph full_ = small_net(true, true);
  AnalyzerOptions options_;
  InputBounds bounds_;
  std::optional<Executor> executor_;
  std::unique_ptr<RelevanceKernels> kernels_;
  std::vector<WalkStep> walk_;
  int start_ = -1;
  WalkMemory memory_;
  std::optional<WalkRun> run_;
};

void expect_equal_layers(const WalkRun& a, const std::vector<LayerRelevance>& b) {
  ASSERT_EQ(a.layers().size(), b.size());
  for (std::size_t i = 0; i < b.size(); ++i) {
    const LayerRelevance& one = a.layers()[i];
    EXPECT_EQ(one.name, b[i].name);
    EXPECT_EQ(one.incoming, b[i].incoming) << one.name;
    EXPECT_EQ(one.sum, b[i].sum) << one.name;
    EXPECT_EQ(one.absorbed_bias, b[i].absorbed_bias) << one.name;
    EXPECT_EQ(one.absorbed_epsilon, b[i].absorbed_epsilon) << one.name;
    EXPECT_EQ(one.absorbed_padding, b[i].absorbed_padding) << one.name;
  }
}

// The walk as it is run, beside the one step by step.
void expect_as_by_steps(WatchedWalk& walk, const Tensor<float>& start) {
  walk.run(start);
  const std::vector<LayerRelevance> layers = walk.result().layers();
  const std::vector<std::string> warnings = walk.result().warnings();
  const std::vector<float> map = walk.map();
  walk.run_by_steps(start);
  EXPECT_EQ(walk.map(), map);
  expect_equal_layers(walk.result(), layers);
  EXPECT_EQ(walk.result().warnings(), warnings);
}

class WholeWalk : public testing::Test {
 protected:
  void SetUp() override {
    if (!missing_device("emulated").empty()) GTEST_SKIP() << missing_device("emulated");
  }
};

TEST_F(WholeWalk, ReadsOnceBehindItsEnd) {
  for (const std::string preset : {"z-plus", "alpha-beta", "EpsilonGammaBox"}) {
    SCOPED_TRACE(preset);
    WatchedWalk walk(preset);
    const Tensor<float> start = walk.scores();
    for (int run = 0; run < 3; ++run) {
      walk.device.downloads = walk.device.uploads = 0;
      walk.run(start);
      EXPECT_EQ(walk.device.downloads, 1);
      EXPECT_EQ(walk.device.uploads, 2);  // the start, the empty report
    }
    EXPECT_EQ(walk.device.recordings, 1);
    EXPECT_EQ(walk.device.replays, 2);
    EXPECT_EQ(walk.device.unrecordable, 0);
    expect_as_by_steps(walk, start);
    EXPECT_EQ(walk.device.replays, 3);
  }
}

TEST_F(WholeWalk, EveryPresetHasTheNumbersOfOneByOne) {
  for (const std::string& preset : composite_presets()) {
    SCOPED_TRACE(preset);
    WatchedWalk walk(preset);
    expect_as_by_steps(walk, walk.scores());
    EXPECT_EQ(walk.device.unrecordable, 0);
  }
}

// Relevance on units that a ReLU had closed: their outputs are not their sums.
TEST_F(WholeWalk, GoesStepByStepWhereAnOutputIsNoSum) {
  for (const std::string preset : {"alpha-beta", "epsilon"}) {
    SCOPED_TRACE(preset);
    WatchedWalk walk(preset, "relu3");
    const Tensor<float> open = walk.scores();
    ASSERT_NE(std::ranges::count(open.values, 0.0F), 0) << "no unit is closed";
    Tensor<float> all = open;
    for (float& r : all.values) r += 0.25F;
    walk.run(open);
    EXPECT_EQ(walk.device.recordings, 1);
    walk.device.downloads = 0;
    expect_as_by_steps(walk, all);  // tried as a whole, then run again
    EXPECT_EQ(walk.device.replays, 1);
    EXPECT_GT(walk.device.downloads, 10);
    // Not tried in vain again before a walk in which nothing was in the way.
    walk.run(all);
    walk.run(open);
    EXPECT_EQ(walk.device.replays, 1);
    walk.run(open);
    EXPECT_EQ(walk.device.replays, 2);
    EXPECT_EQ(walk.device.recordings, 1);
  }
}

TEST_F(WholeWalk, WarnsAsOneByOne) {
  WatchedWalk walk("z-plus");
  Tensor<float> start = walk.scores();
  start.values[7] = std::numeric_limits<float>::infinity();
  walk.run(start);
  EXPECT_FALSE(walk.result().warnings().empty());
  EXPECT_NE(walk.result().warnings()[0].find("image 1"), std::string::npos);
}

TEST_F(WholeWalk, SeesNewWeights) {
  WatchedWalk walk("alpha-beta");
  walk.run(walk.scores());
  walk.run(walk.scores());
  const std::vector<float> before = walk.map();
  walk.set_weights(50);
  walk.run(walk.scores());
  EXPECT_NE(walk.map(), before);
  EXPECT_EQ(walk.device.recordings, 2);
  expect_as_by_steps(walk, walk.scores());
}

TEST_F(WholeWalk, KeepsChosenChannels) {
  const int node = small_net(true, true).find_node("right");
  WatchedWalk whole("z-plus"), some("z-plus", "fc4", {{.node = node, .channels = {1, 20}}});
  whole.run(whole.scores());
  expect_as_by_steps(some, some.scores());
  EXPECT_NE(some.map(), whole.map());
  EXPECT_EQ(some.device.unrecordable, 0);
  // What is dropped is missing between the layer above and this one.
  const auto layer = [](const WatchedWalk& walk, const std::string& name) {
    return *std::ranges::find(walk.result().layers(), name, &LayerRelevance::name);
  };
  EXPECT_EQ(layer(some, "relu_right").sum, layer(whole, "relu_right").sum);
  EXPECT_NE(layer(some, "right").incoming, layer(some, "relu_right").sum);
}

}  // namespace
}  // namespace fovea
