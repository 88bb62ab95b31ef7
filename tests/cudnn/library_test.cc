// What is found of the libraries: versions, functions, and the words when something is missing.
#include "kernels/cudnn/library.h"

#include "kernels/cudnn/convolution_plans.h"
#include "kernels/cudnn/handles.h"
#include "tests/cudnn/fake_runtime.h"

namespace fovea {
namespace {

std::string mistake(const std::string& cudnn, const std::string& cublas) {
  try {
    (void)cudnn::open_library(cudnn, cublas);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << " is not in " << text;
}

// Not a stand-in: wherever the libraries themselves are, GPU or none, they have what is called.
TEST(CudnnLibrary, HasEveryFunctionThatIsCalled) {
  const cudnn::Runtime& found = cudnn::runtime();
  if (!found.library) GTEST_SKIP() << found.missing;
  EXPECT_TRUE(found.library->version.starts_with(str("cuDNN ", CUDNN_MAJOR, ".")))
      << found.library->version;
  expect_part(found.library->version, str(", cuBLAS ", CUBLAS_VER_MAJOR, "."));
  EXPECT_EQ(cudnn::offer().version, found.library->version);
}

// Nor here: cuDNN itself reads the descriptors of every pass, and finds what is wrong with them.
TEST(CudnnLibrary, AcceptsTheGraphsOfConvolutions) {
  const cudnn::Runtime& found = cudnn::runtime();
  if (!found.library) GTEST_SKIP() << found.missing;
  if (found.library->api.cudnnGetVersion() < 91900)
    GTEST_SKIP() << found.library->version << " takes no graph without a GPU";
  const ConvolutionParams grouped{
      .outputs = 32, .kernel = {5, 3}, .stride = {2, 1}, .pad = {2, 0}, .groups = 2};
  const Shape x{3, 16, 9, 8};
  cudnn::ConvolutionCase c{.params = grouped, .x = x, .y = output_shape(grouped, x), .relu = true};
  for (const Precision operands : {Precision::kFp32, Precision::kBf16}) {
    c.operands = operands;
    EXPECT_EQ(cudnn::graphs_of(c, nullptr).size(), 4U);
  }
  c.y = {3, 32, 9, 8};  // not what this stride comes to
  EXPECT_THROW((void)cudnn::graphs_of(c, nullptr), Error);
}

TEST(CudnnLibrary, SaysWhatIsMissing) {
  const std::string none = mistake("libno_such_cudnn.so.9", FOVEA_FAKE_CUBLAS);
  expect_part(none, "no libno_such_cudnn.so.9: ");
  expect_part(none, "expected it in LD_LIBRARY_PATH");
  expect_part(mistake(FOVEA_FAKE_CUDNN, "libno_such_cublas.so"), "no libno_such_cublas.so: ");
  EXPECT_EQ(mistake(FOVEA_FAKE_CUBLAS, FOVEA_FAKE_CUBLAS),
            str("wrong ", FOVEA_FAKE_CUBLAS, ": no function cudnnGetVersion"));
  const FakeRuntime fake;
  fake.set("version", 81002);
  const std::string old = mistake(FOVEA_FAKE_CUDNN, FOVEA_FAKE_CUBLAS);
  fake.set("version", 91900);
  EXPECT_EQ(old, str("wrong ", FOVEA_FAKE_CUDNN, ": version 81002, expected ", CUDNN_MAJOR, ".x"));
}

TEST(CudnnLibrary, ErrorsHaveTheLibrarysWords) {
  const FakeRuntime fake;
  try {
    cudnn::check(CUDNN_STATUS_EXECUTION_FAILED);
    FAIL() << "no error";
  } catch (const Error& error) {
    expect_part(error.what(), "cuDNN: CUDNN_STATUS_EXECUTION_FAILED: the stand-in's own words at ");
    expect_part(error.what(), "library_test.cc");
  }
  EXPECT_THROW(cudnn::check(CUBLAS_STATUS_EXECUTION_FAILED), Error);
  EXPECT_NO_THROW(cudnn::check(CUDNN_STATUS_SUCCESS));
}

TEST(CudnnLibrary, OperationsOfAThreadShareHandlesThatGoWithTheLast) {
  const FakeRuntime fake;
  const int before = fake.live();
  {
    const auto one = cudnn::handles(), two = cudnn::handles();
    EXPECT_EQ(one.get(), two.get());
    EXPECT_EQ(fake.live(), before + 2);  // cuDNN's and cuBLAS's
    const auto descriptor = cudnn::tensor_descriptor({2, 3, 4, 5});
    EXPECT_EQ(fake.live(), before + 3);
  }
  EXPECT_EQ(fake.live(), before);
  EXPECT_THROW((void)cudnn::tensor_descriptor({1 << 16, 1 << 16}), Error);
  EXPECT_EQ(fake.live(), before);
}

}  // namespace
}  // namespace fovea
