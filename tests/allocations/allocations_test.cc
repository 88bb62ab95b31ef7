// Executing allocates nothing of ours: every call of the memory allocator of the C library, from
// which operator new takes its memory too, is counted over forward, backward and update of a net
// with every type of layer. The library's own calls are marked (kernels/cpu/library_call.h) and
// left out.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "engine/core/json_fields.h"
#include "engine/graph/executor.h"
#include "engine/graph/net_json.h"
#include "engine/train/filler.h"
#include "engine/train/solver.h"
#include "kernels/cpu/library_call.h"

// A sanitizer brings an allocator of its own, which this one would take the place of.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define FOVEA_COUNTS_ALLOCATIONS 0
#else
#define FOVEA_COUNTS_ALLOCATIONS 1
#endif

namespace {

std::atomic<bool> counting{false};
std::atomic<int> ours{0}, librarys{0};

[[maybe_unused]] void count() {
  if (counting) ++(fovea::cpu::LibraryCall::active() ? librarys : ours);
}

}  // namespace

#if FOVEA_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) {
  count();
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  count();
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : 12;  // ENOMEM
}
}
#endif

namespace fovea {
namespace {

// Every type of layer; GoogLeNet's module with whole channel blocks and one without.
constexpr const char* kEveryLayer = R"({"name": "every_layer", "input": {"shape": [3, 21, 21]},
  "defaults": {"convolution": {"weight_filler": {"type": "xavier"}},
               "inner_product": {"weight_filler": {"type": "xavier"}}},
  "layers": [
  {"name": "first", "type": "convolution", "outputs": 32, "kernel": 5, "stride": 2},
  {"name": "first_relu", "type": "relu"},
  {"name": "norm", "type": "lrn", "size": 5, "alpha": 0.0001, "beta": 0.75},
  {"name": "one", "type": "convolution", "bottom": "norm", "outputs": 16},
  {"name": "three", "type": "convolution", "bottom": "norm", "outputs": 16, "kernel": 3, "pad": 1},
  {"name": "three_relu", "type": "relu"},
  {"name": "five", "type": "convolution", "bottom": "norm", "outputs": 16, "kernel": 5, "pad": 2},
  {"name": "pool", "type": "pooling", "bottom": "norm", "kernel": 3, "stride": 1, "pad": 1},
  {"name": "join", "type": "concat", "bottom": ["one", "three", "five", "pool"]},
  {"name": "odd", "type": "convolution", "outputs": 13, "kernel": 3},
  {"name": "odd_norm", "type": "lrn", "size": 3, "alpha": 0.1, "beta": 0.5},
  {"name": "odd_relu", "type": "relu"},
  {"name": "average", "type": "pooling", "mode": "average", "kernel": 3, "stride": 2},
  {"name": "fc1", "type": "inner_product", "outputs": 24},
  {"name": "fc1_relu", "type": "relu"},
  {"name": "drop", "type": "dropout", "ratio": 0.5},
  {"name": "fc2", "type": "inner_product", "outputs": 5},
  {"name": "loss", "type": "softmax_loss", "bottom": ["fc2", "label"], "phase": "train"},
  {"name": "accuracy", "type": "accuracy", "bottom": ["fc2", "label"], "phase": "test"},
  {"name": "prob", "type": "softmax", "bottom": "fc2", "phase": "deploy"}]})";

Graph every_layer(Phase phase) {
  return build_graph(json_net(Json::parse(kEveryLayer), {.phase = phase, .batch = 4}, "test net"));
}

// Allocations of ours in `body`, which has run once before, when thread pools were made.
template <class Body>
int allocations(Body&& body) {
  body();
  ours = 0, librarys = 0, counting = true;
  body();
  counting = false;
  testing::Test::RecordProperty("library", librarys);
  return ours;
}

class Allocations : public testing::Test {
 protected:
  void SetUp() override {
    if (!FOVEA_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer has its own allocator";
  }
};

TEST_F(Allocations, AreSeen) {
  EXPECT_EQ(allocations([] { std::free(std::malloc(8)); }), 1);
  EXPECT_EQ(allocations([] { const std::vector<int> list(5); }), 1);
}

TEST_F(Allocations, TrainingStepHasNone) {
  for (const float clip : {-1.0F, 1e-3F}) {
    Executor executor(every_layer(Phase::kTrain), {.training = true});
    fill_params(executor, 3);
    Solver solver(
        executor,
        {.base_lr = 1e-3F, .policy = LrPolicy::kFixed, .iter_size = 2, .clip_gradients = clip});
    const std::function<void(std::int64_t)> load = [](std::int64_t) {};
    EXPECT_EQ(allocations([&] { (void)solver.step(load); }), 0) << "clip_gradients " << clip;
  }
}

TEST_F(Allocations, ForwardHasNone) {
  for (const Phase phase : {Phase::kTest, Phase::kDeploy}) {
    Executor executor(every_layer(phase), {});
    fill_params(executor, 3);
    EXPECT_EQ(allocations([&] { executor.forward(); }), 0);
  }
}

TEST_F(Allocations, OfTheReferenceDeviceAreNoneEither) {
  Executor executor(every_layer(Phase::kTrain), {.device = "reference", .training = true});
  fill_params(executor, 3);
  EXPECT_EQ(allocations([&] {
              executor.forward();
              executor.backward();
            }),
            0);
}

}  // namespace
}  // namespace fovea
