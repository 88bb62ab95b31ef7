// Which implementation a device, an engine and a problem come to, and the measured choice.
#include <cstdlib>

#include "engine/backend/autotune.h"
#include "engine/backend/registry.h"
#include "engine/core/file.h"
#include "tests/cudnn/fake_runtime.h"
#include "tests/support/op_problem.h"
#include "tests/support/temporary_folder.h"

namespace fovea {
namespace {

std::string_view chosen(std::string_view device, const OpProblem& problem,
                        EngineChoice engine = EngineChoice::kOrdered) {
  return create_op(device, problem, engine).implementation;
}

const OpProblem kConvolution =
    op_problem(ConvolutionParams{.outputs = 16, .kernel = {3, 3}}, {2, 16, 6, 6}, true);

TEST(CudnnChoice, TheDeviceTakesTheLibraryAndCudaDoesNot) {
  const FakeRuntime fake;
  EXPECT_EQ(chosen("cudnn", kConvolution), "cudnn:convolution");
  EXPECT_EQ(chosen("cudnn:1", kConvolution), "cudnn:convolution");
  EXPECT_EQ(chosen("cuda", kConvolution), "cuda:linear");
  OpProblem bf16 = kConvolution;
  bf16.precision = Precision::kBf16;
  EXPECT_EQ(chosen("cudnn", bf16), "cudnn:convolution_bf16");
  EXPECT_EQ(chosen("cuda", bf16), "cuda:linear_bf16");
  EXPECT_EQ(chosen("cudnn", op_problem(InnerProductParams{.outputs = 8}, {2, 9})),
            "cublas:inner_product");
  EXPECT_EQ(chosen("cudnn", op_problem(ReluParams{}, {2, 9})), "cuda:relu");
}

TEST(CudnnChoice, EnginesKeepToOneOrigin) {
  const FakeRuntime fake;
  EXPECT_EQ(chosen("cudnn", kConvolution, EngineChoice::kOwn), "cuda:linear");
  EXPECT_EQ(chosen("cuda", kConvolution, EngineChoice::kOwn), "cuda:linear");
  EXPECT_EQ(chosen("cuda", kConvolution, EngineChoice::kLibrary), "cudnn:convolution");
  EXPECT_EQ(chosen("cuda", op_problem(DropoutParams{}, {2, 9}), EngineChoice::kLibrary),
            "cuda:dropout");
}

TEST(CudnnChoice, ALibraryThatIsMissingIsNamedWhereItIsAskedFor) {
  const cudnn::RuntimeScope none({nullptr, nullptr, "no libcudnn.so.9: not here"});
  EXPECT_EQ(chosen("cuda", kConvolution), "cuda:linear");
  try {
    (void)chosen("cuda", kConvolution, EngineChoice::kLibrary);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no library for device cuda: no libcudnn.so.9: not here");
  }
  try {
    (void)open_device("cudnn");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no device cudnn: no libcudnn.so.9: not here");
  }
}

// Where the libraries' meaning is not Caffe's, our own kernel runs.
TEST(CudnnChoice, WhatTheLibraryCannotReproduceIsDeclined) {
  const FakeRuntime fake;
  const auto expect_own = [](OpProblem problem, const char* library, const char* reason,
                             const char* own) {
    EXPECT_EQ(library_implementation(library).supports(problem), reason);
    EXPECT_EQ(chosen("cudnn", problem), own) << reason;
  };
  const PoolingParams pool{.kernel = {3, 3}, .stride = {2, 2}};
  expect_own(op_problem(pool, {1, 4, 8, 7}), "cudnn:pooling", "a window over the edge",
             "cuda:pooling");
  expect_own(op_problem(pool, {1, 4, 7, 7}), "cudnn:pooling",
             "the gradient among equal maxima is not specified", "cuda:pooling");
  OpProblem inference = op_problem(pool, {1, 4, 7, 7});
  inference.training = false;
  EXPECT_EQ(chosen("cudnn", inference), "cudnn:pooling");
  const PoolingParams average{
      .mode = PoolingMode::kAverage, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}};
  expect_own(op_problem(average, {1, 4, 8, 8}), "cudnn:pooling", "a window over the edge",
             "cuda:pooling");
  expect_own(op_problem(PoolingParams{.kernel = {1, 1}, .pad = {1, 1}}, {1, 4, 8, 8}),
             "cudnn:pooling", "padding as wide as the window", "cuda:pooling");
  const Shape image{1, 8, 4, 4};
  expect_own(op_problem(LrnParams{.size = 4}, image), "cudnn:lrn", "an even window", "cuda:lrn");
  expect_own(op_problem(LrnParams{.size = 17}, image), "cudnn:lrn", "a window of more than 16",
             "cuda:lrn");
  expect_own(op_problem(LrnParams{.k = 0}, image), "cudnn:lrn", "too small a k or beta",
             "cuda:lrn");
  expect_own(op_problem(LrnParams{.region = LrnRegion::kWithinChannel}, image), "cudnn:lrn",
             "within channels", "cuda:lrn");
  for (OpProblem leaky :
       {kConvolution, op_problem(InnerProductParams{.outputs = 8}, {2, 9}, true)}) {
    leaky.relu_slope = 0.1F;
    const bool flat = leaky.bottoms[0].rank() == 2;
    expect_own(leaky, flat ? "cublas:inner_product" : "cudnn:convolution", "a leaky ReLU",
               "cuda:linear");
  }
  OpProblem finer = kConvolution;
  finer.precision = Precision::kTf32;
  EXPECT_EQ(library_implementation("cudnn:convolution_bf16").supports(finer), "a finer precision");
}

// Both are measured in the device's own memory, and the pick is kept under the libraries' versions.
TEST(CudnnChoice, AutoMeasuresOnTheDeviceAndKeepsThePick) {
  const FakeRuntime fake;
  const TemporaryFolder cache;
  ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  const auto file = cache.path() / "fovea" / "implementations.json";
  OpProblem problem = op_problem(SoftmaxParams{}, {3, 8});
  std::vector<const Implementation*> candidates{&library_implementation("cudnn:softmax")};
  for (const Implementation* own : emulated::target().implementations) {
    if (own->name == "emulated:softmax") candidates.push_back(own);
  }
  ASSERT_EQ(candidates.size(), 2U);
  const Implementation* pick = fastest({"emulated", "cuDNN 1"}, problem, candidates);
  const std::string kept = read_file(file);
  EXPECT_NE(kept.find("emulated, emulated, cuDNN 1, fp32: "), std::string::npos) << kept;
  EXPECT_NE(kept.find(pick->name), std::string::npos) << kept;
  // The file decides from now on, for these libraries and no others.
  std::string other = kept;
  const Implementation* loser = candidates[pick == candidates[0] ? 1 : 0];
  other.replace(other.find(pick->name), pick->name.size(), loser->name);
  write_file(file, other);
  EXPECT_EQ(fastest({"emulated", "cuDNN 1"}, problem, candidates), loser);
  (void)fastest({"emulated", "cuDNN 2"}, problem, candidates);
  EXPECT_NE(read_file(file).find("cuDNN 2"), std::string::npos);
  ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace fovea
