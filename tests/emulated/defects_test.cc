// Copies of one kernel, each with one mistake: the emulation must catch every one of them, by an
// Error or by a result that differs in at least one thread order.
#include "kernels/emulated/shim.h"
// The shim comes first, as in front of a kernel source.
#include <gtest/gtest.h>

#include <optional>

#include "kernels/emulated/sanitizer.h"
#include "tests/emulated/launch_support.h"

namespace fovea::emulated {
namespace {

enum class Defect {
  kNone,
  kNoBarrier,
  kNoWait,
  kWaitTooEarly,
  kSharedIndex,
  kSharedPointer,
  kGlobalWrite,
  kGlobalRead,
  kBarrierMissed,
};

constexpr int kThreads = 96;

// y = x with every stretch of kThreads values reversed, by cp.async and shared memory.
template <Defect kDefect>
__global__ void reverse(int count, const float* x, float* y) {
  FOVEA_SHARED(float, tile, kThreads);
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * kThreads + t;
  const int read = kDefect == Defect::kGlobalRead ? i + 1 : i;
  async_copy<4>(&tile[t], x + read, i < count ? 4 : 0);
  async_copy_commit();
  if constexpr (kDefect == Defect::kWaitTooEarly) {
    async_copy_wait<1>();
  } else if constexpr (kDefect != Defect::kNoWait) {
    async_copy_wait<0>();
  }
  if constexpr (kDefect == Defect::kBarrierMissed) {
    if (t == 40) return;
  }
  if constexpr (kDefect != Defect::kNoBarrier) __syncthreads();
  if constexpr (kDefect == Defect::kSharedPointer) (&tile[0])[t + 1] = 0;
  const int from = kDefect == Defect::kSharedIndex ? kThreads - t : kThreads - 1 - t;
  const float value = tile[from];
  if (i < count || (kDefect == Defect::kGlobalWrite && i == count)) y[i] = value;
}

// What gives the mistake away, if anything does.
template <Defect kDefect>
std::optional<std::string> symptom() {
  constexpr int kCount = 5 * kThreads - 32;
  // The last stretch is not full: its reversal starts with the zeros of the lanes beyond the end.
  std::vector<float> input(kCount), expected(kCount);
  for (int i = 0; i < kCount; ++i) input[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
  for (int i = 0; i < kCount; ++i) {
    const int from = i / kThreads * kThreads + kThreads - 1 - i % kThreads;
    expected[static_cast<std::size_t>(i)] = from < kCount ? static_cast<float>(from + 1) : 0.0F;
  }
  for (const Order order : kAllOrders) {
    const ThreadOrderScope scope(order);
    const GlobalArray<float> x(input), y(std::vector<float>(input.size()));
    try {
      launch<reverse<kDefect>>(5, kThreads, 0, Stream{}, kCount, x.data(), y.data());
    } catch (const Error& error) {
      return error.what();
    }
    if (y.values() != expected) return "wrong values";
  }
  return std::nullopt;
}

TEST(Defects, TheKernelWithoutAnyIsRight) { EXPECT_EQ(symptom<Defect::kNone>(), std::nullopt); }

TEST(Defects, AMissingBarrierGivesWrongValues) {
  EXPECT_EQ(symptom<Defect::kNoBarrier>(), "wrong values");
}
TEST(Defects, AMissingWaitGivesWrongValues) {
  EXPECT_EQ(symptom<Defect::kNoWait>(), "wrong values");
  EXPECT_EQ(symptom<Defect::kWaitTooEarly>(), "wrong values");
}
TEST(Defects, ASharedIndexOffByOneIsAnError) {
  const auto found = symptom<Defect::kSharedIndex>();
  ASSERT_TRUE(found);
  // Blocks run side by side: the first to find it reports it.
  EXPECT_TRUE(found->starts_with(
      "kernel reverse: shared-memory index 96 of tile, expected 0 to 95, block ("))
      << *found;
  EXPECT_TRUE(found->ends_with(",0,0), thread (0,0,0)")) << *found;
}
TEST(Defects, ABarrierThatOneThreadMissesIsAnError) {
  const auto found = symptom<Defect::kBarrierMissed>();
  ASSERT_TRUE(found);
  EXPECT_NE(found->find("kernel reverse: barrier at defects_test.cc:"), std::string::npos)
      << *found;
  EXPECT_NE(found->find("not reached by thread (40,0,0), which has ended"), std::string::npos)
      << *found;
}

// AddressSanitizer ends the program at these instead.
#if !defined(FOVEA_ADDRESS_SANITIZER)
TEST(Defects, ASharedPointerOffByOneIsAnError) {
  const auto found = symptom<Defect::kSharedPointer>();
  ASSERT_TRUE(found);
  EXPECT_NE(found->find("kernel reverse: shared memory written behind tile"), std::string::npos)
      << *found;
}
TEST(Defects, AGlobalWriteOffByOneIsAnError) {
  EXPECT_EQ(symptom<Defect::kGlobalWrite>(),
            "kernel reverse: 4 bytes written behind a buffer of 1792 bytes");
}
TEST(Defects, AGlobalReadOffByOneGivesWrongValues) {
  EXPECT_EQ(symptom<Defect::kGlobalRead>(), "wrong values");
}
#else
TEST(DefectsDeathTest, AccessesOffByOneEndTheProgram) {
  EXPECT_DEATH((void)symptom<Defect::kSharedPointer>(), "use-after-poison");
  EXPECT_DEATH((void)symptom<Defect::kGlobalWrite>(), "use-after-poison");
  EXPECT_DEATH((void)symptom<Defect::kGlobalRead>(), "use-after-poison");
}
#endif

}  // namespace
}  // namespace fovea::emulated
