// What kernels may use, feature by feature, in every thread order.
#include "kernels/emulated/shim.h"
// The shim comes first, as in front of a kernel source.
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/matrix.cuh"
#include "tests/emulated/launch_support.h"
#include "tests/support/message_of.h"

namespace fovea::emulated {
namespace {

class Emulation : public testing::TestWithParam<Order> {
 protected:
  ThreadOrderScope order_{GetParam()};
};

__global__ void write_indices(int* out) {
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      static_cast<int>(1000 * block + thread);
}

TEST_P(Emulation, EveryThreadOfEveryBlockRunsOnceWithItsIndices) {
  const GlobalArray<int> out(std::vector<int>(2 * 3 * 2 * 5 * 3 * 2, -1));
  launch<write_indices>(dim3(2, 3, 2), dim3(5, 3, 2), 0, Stream{}, out.data());
  const std::vector<int> values = out.values();
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(values[i], static_cast<int>(i / 30 * 1000 + i % 30)) << i;
}

// Inclusive prefix sum of a block, in log2(size) steps with two barriers each.
__global__ void prefix_sum(const int* x, int* y) {
  FOVEA_SHARED(int, sum, 128);
  const unsigned t = threadIdx.x;
  sum[t] = x[t];
  __syncthreads();
  for (unsigned step = 1; step < 128; step *= 2) {
    const int add = t >= step ? sum[t - step] : 0;
    __syncthreads();
    sum[t] += add;
    __syncthreads();
  }
  y[t] = sum[t];
}

TEST_P(Emulation, BarriersSeparateTheStepsOfAScan) {
  std::vector<int> x(128), expected(128);
  std::iota(x.begin(), x.end(), 1);
  std::partial_sum(x.begin(), x.end(), expected.begin());
  const GlobalArray<int> from(x), to(x);
  launch<prefix_sum>(1, 128, 0, Stream{}, from.data(), to.data());
  EXPECT_EQ(to.values(), expected);
}

__global__ void barrier_votes(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  const int count = __syncthreads_count(t % 3 == 0);
  const int all = __syncthreads_and(t < 70), any = __syncthreads_or(t == 69);
  const int none = __syncthreads_or(t == 70), every = __syncthreads_and(t < 69);
  out[t] = count * 10000 + all * 1000 + any * 100 + none * 10 + every;
}

TEST_P(Emulation, BarriersCountAndVote) {
  const GlobalArray<int> out(std::vector<int>(70));
  launch<barrier_votes>(1, 70, 0, Stream{}, out.data());
  EXPECT_EQ(out.values(), std::vector<int>(70, 24 * 10000 + 1100));
}

__global__ void shuffles(int* out) {
  const int t = static_cast<int>(threadIdx.x), lane = t % 32;
  int* row = out + t * 7;
  row[0] = __shfl_sync(~0U, t, 5);
  row[1] = __shfl_up_sync(~0U, t, 3, 16);
  row[2] = __shfl_down_sync(~0U, t, 9);
  row[3] = __shfl_xor_sync(~0U, t, 17);
  row[4] = static_cast<int>(__ballot_sync(~0U, lane % 5 == 0));
  row[5] = __reduce_add_sync(~0U, t) + __reduce_max_sync(~0U, t) - __reduce_min_sync(~0U, t);
  // Half of a warp on its own.
  row[6] = lane < 16 ? __shfl_sync(0xFFFFU, t, 15) + __any_sync(0xFFFFU, lane == 3) +
                           __all_sync(0xFFFFU, lane < 16)
                     : -1;
  __syncwarp();
}

TEST_P(Emulation, WarpsExchangeValues) {
  const GlobalArray<int> out(std::vector<int>(64 * 7));
  launch<shuffles>(1, 64, 0, Stream{}, out.data());
  const std::vector<int> values = out.values();
  unsigned fives = 0;
  for (unsigned lane = 0; lane < 32; lane += 5) fives |= 1U << lane;
  for (int t = 0; t < 64; ++t) {
    const int lane = t % 32, warp = t - lane;
    const auto at = values.begin() + t * 7;
    const int sum = 32 * warp + 31 * 16;
    const std::vector<int> expected = {warp + 5,
                                       lane % 16 < 3 ? t : t - 3,
                                       lane + 9 < 32 ? t + 9 : t,
                                       t ^ 17,
                                       static_cast<int>(fives),
                                       sum + 31,
                                       lane < 16 ? warp + 17 : -1};
    EXPECT_EQ(std::vector<int>(at, at + 7), expected) << "thread " << t;
  }
}

__global__ void count_up(int* counters, float* sum) {
  (void)atomicAdd(counters, 1);
  (void)atomicMax(counters + 1, static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
  (void)atomicCAS(counters + 2, 0, 7);
  (void)atomicAdd(sum, 0.5F);
}

TEST_P(Emulation, AtomicsCountAcrossBlocks) {
  const GlobalArray<int> counters({0, -1, 0});
  const GlobalArray<float> sum({0.0F});
  launch<count_up>(20, 50, 0, Stream{}, counters.data(), sum.data());
  EXPECT_EQ(counters.values(), (std::vector<int>{1000, 999, 7}));
  EXPECT_EQ(sum.values()[0], 500.0F);
}

// Two parts of the dynamic memory, one of a length known at run time.
__global__ void swap_parts(int count, const int* x, int* y) {
  FOVEA_DYNAMIC_SHARED(memory);
  auto&& pairs = shared_part<int, 32, 2>(memory, 0);
  const auto rest = shared_span<int>(memory, 32 * 2 * 4, count);
  const int t = static_cast<int>(threadIdx.x);
  pairs[t][0] = x[t], pairs[t][1] = -x[t];
  if (t < count) rest[t] = 100 + t;
  __syncthreads();
  y[t] = pairs[31 - t][0] + 2 * pairs[31 - t][1] + (t < count ? rest[count - 1 - t] : 0);
}

TEST_P(Emulation, DynamicSharedMemoryComesInParts) {
  std::vector<int> x(32), expected(32);
  std::iota(x.begin(), x.end(), 0);
  for (int t = 0; t < 32; ++t)
    expected[static_cast<std::size_t>(t)] = -(31 - t) + (t < 10 ? 109 - t : 0);
  const GlobalArray<int> from(x), to(x);
  launch<swap_parts>(1, 32, 32 * 2 * 4 + 10 * 4, Stream{}, 10, from.data(), to.data());
  EXPECT_EQ(to.values(), expected);
  EXPECT_THROW(launch<swap_parts>(1, 32, 32 * 2 * 4 + 9 * 4, Stream{}, 10, from.data(), to.data()),
               Error);
  EXPECT_THROW(launch<swap_parts>(1, 32, 0, Stream{}, 10, from.data(), to.data()), Error);
  const SharedLimitScope little(32 * 2 * 4);
  EXPECT_EQ(most_shared(Stream{}), 32 * 2 * 4);
  EXPECT_EQ(message_of([&] {
              launch<swap_parts>(1, 32, 32 * 2 * 4 + 10 * 4, Stream{}, 10, from.data(), to.data());
            }),
            "kernel swap_parts: 296 bytes of dynamic shared memory, expected at most 256");
}

// Three stages of cp.async in flight, sums of 4 values each; the last is filled up with zeros.
__global__ void pipeline(int tiles, const float* x, float* y) {
  constexpr int kStages = 3;
  FOVEA_SHARED(float, stage, kStages, 128);
  const int t = static_cast<int>(threadIdx.x);
  const auto fetch = [&](int tile) {
    const bool last = tile == tiles - 1;
    if (tile < tiles)
      async_copy<16>(&stage[tile % kStages][t * 4], x + tile * 128 + t * 4, last ? 8 : 16);
    async_copy_commit();
  };
  for (int tile = 0; tile < kStages - 1; ++tile) fetch(tile);
  float sum = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    async_copy_wait<kStages - 2>();
    __syncthreads();
    fetch(tile + kStages - 1);
    for (int i = 0; i < 4; ++i) sum += stage[tile % kStages][(31 - t) * 4 + i];
  }
  y[t] = sum;
}

TEST_P(Emulation, AsyncCopiesArriveWithTheirGroup) {
  std::vector<float> x(7 * 128);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 61);
  std::vector<float> expected(32);
  for (std::size_t tile = 0; tile < 7; ++tile) {
    for (std::size_t t = 0; t < 32; ++t) {
      for (std::size_t i = 0; i < (tile == 6 ? 2U : 4U); ++i)
        expected[t] += x[tile * 128 + (31 - t) * 4 + i];
    }
  }
  const GlobalArray<float> from(x), to(expected);
  launch<pipeline>(1, 32, 0, Stream{}, 7, from.data(), to.data());
  EXPECT_EQ(to.values(), expected);
}

// D = A B by fragments whose values depend on their place alone, loaded without ldmatrix.
__global__ void product_tf32(const float* a, const float* b, float* d) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  const auto A = [&](int row, int k) { return __float_as_uint(a[row * 8 + k]); };
  const auto B = [&](int k, int column) { return __float_as_uint(b[k * 8 + column]); };
  const std::uint32_t fa[4] = {A(g, t), A(g + 8, t), A(g, t + 4), A(g + 8, t + 4)};
  const std::uint32_t fb[2] = {B(t, g), B(t + 4, g)};
  float fd[4] = {1, 1, 1, 1};
  mma_m16n8k8_tf32(fd, fa, fb);
  for (int r = 0; r < 4; ++r) d[(g + r / 2 * 8) * 8 + 2 * t + r % 2] = fd[r];
}

std::vector<float> small_integers(std::size_t count, unsigned factor) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(static_cast<int>(i * factor % 17) - 8);
  return values;
}

std::vector<float> product(const std::vector<float>& a, const std::vector<float>& b, std::size_t k,
                           float start) {
  std::vector<float> d(16 * 8, start);
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      for (std::size_t i = 0; i < k; ++i) d[row * 8 + column] += a[row * k + i] * b[i * 8 + column];
    }
  }
  return d;
}

TEST_P(Emulation, MultipliesTf32Fragments) {
  const std::vector<float> a = small_integers(16 * 8, 5), b = small_integers(8 * 8, 7);
  const GlobalArray<float> da(a), db(b), d(std::vector<float>(16 * 8));
  launch<product_tf32>(1, 32, 0, Stream{}, da.data(), db.data(), d.data());
  EXPECT_EQ(d.values(), product(a, b, 8, 1));
}

// A row-major through ldmatrix, B stored k-major through its transposing form.
__global__ void product_bf16(const float* a, const float* b, float* d) {
  FOVEA_SHARED(__nv_bfloat16, tile_a, 16, 16);
  FOVEA_SHARED(__nv_bfloat16, tile_b, 16, 8);
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  for (int i = lane; i < 256; i += 32) tile_a[i / 16][i % 16] = __float2bfloat16(a[i]);
  for (int i = lane; i < 128; i += 32) tile_b[i / 8][i % 8] = __float2bfloat16(b[i]);
  __syncthreads();
  std::uint32_t fa[4], fb[2];
  ldmatrix_x4(fa, &tile_a[lane % 16][lane / 16 * 8]);
  ldmatrix_x2_trans(fb, &tile_b[lane % 16][0]);
  float fd[4] = {};
  mma_m16n8k16_bf16(fd, fa, fb);
  for (int r = 0; r < 4; ++r) d[(g + r / 2 * 8) * 8 + 2 * t + r % 2] = fd[r];
}

TEST_P(Emulation, LoadsAndMultipliesBf16Matrices) {
  const std::vector<float> a = small_integers(16 * 16, 5), b = small_integers(16 * 8, 3);
  const GlobalArray<float> da(a), db(b), d(std::vector<float>(16 * 8));
  launch<product_bf16>(1, 32, 0, Stream{}, da.data(), db.data(), d.data());
  EXPECT_EQ(d.values(), product(a, b, 16, 0));
}

__global__ void read_fresh_memory(float* out) {
  FOVEA_SHARED(float, a, 32);
  FOVEA_SHARED(__nv_bfloat16, b, 32);
  out[threadIdx.x] = a[threadIdx.x] + __bfloat162float(b[threadIdx.x]);
}

TEST_P(Emulation, SharedMemoryOfABlockStartsPoisoned) {
  const GlobalArray<float> out(std::vector<float>(32));
  for (int run = 0; run < 2; ++run) launch<read_fresh_memory>(3, 32, 0, Stream{}, out.data());
  for (const float value : out.values()) EXPECT_TRUE(std::isnan(value));
}

std::string order_name(const testing::TestParamInfo<Order>& info) {
  const char* names[] = {"forward", "reverse", "random"};
  return str(names[static_cast<int>(info.param.kind)], info.param.seed);
}
INSTANTIATE_TEST_SUITE_P(Orders, Emulation, testing::ValuesIn(kAllOrders), order_name);

template <auto kKernel, class... Arguments>
std::string error_of(dim3 block, const Arguments&... arguments) {
  return message_of([&] { launch<kKernel>(1, block, 0, Stream{}, arguments...); });
}

__global__ void two_barriers(int) {
  if (threadIdx.x < 10) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void barrier_beside_warp(int) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else if (threadIdx.x < 60) {
    (void)__ballot_sync(0xFFFFFFFF, 1);
  }
}
__global__ void misaligned(float* x) {
  FOVEA_SHARED(float, tile, 64);
  async_copy<16>(&tile[threadIdx.x], x);
}
__global__ void not_shared(float* x) { async_copy<4>(x, x); }
__global__ void too_much(int) {
  FOVEA_SHARED(float, big, 13000);
  big[0] = 1;
}

TEST(EmulationFaults, AreReportedWithKernelBlockAndThread) {
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  const GlobalArray<float> x(std::vector<float>(64));
  expect(error_of<two_barriers>(32, 0), "kernel two_barriers: divergent barrier");
  expect(error_of<barrier_beside_warp>(64, 0),
         "not reached by thread (32,0,0), which waits for its warp at emulation_test.cc:");
  expect(error_of<misaligned>(32, x.data()), "cp.async of 16 bytes at an address");
  expect(error_of<misaligned>(32, x.data()), ", block (0,0,0), thread (1,0,0)");
  expect(error_of<not_shared>(1, x.data()), "cp.async outside of every shared array");
  expect(error_of<too_much>(1, 0), "52000 bytes of static shared memory, expected at most 49152");
  expect(error_of<shuffles>(16, static_cast<int*>(nullptr)), "lanes that the block does not have");
  expect(error_of<too_much>(dim3(1025), 0), "expected 1 to 1024 in all");
}

TEST(EmulationTypes, HalfPrecisionRoundsToNearestEven) {
  EXPECT_EQ(__bfloat162float(__float2bfloat16(1.00390625F)), 1.0F);       // a tie, even below
  EXPECT_EQ(__bfloat162float(__float2bfloat16(1.01171875F)), 1.015625F);  // a tie, even above
  EXPECT_TRUE(std::isnan(__bfloat162float(__float2bfloat16(NAN))));
  EXPECT_EQ(__bfloat162float(__float2bfloat16(INFINITY)), INFINITY);
  EXPECT_EQ(__half2float(__float2half(0.1F)), 0.0999755859375F);
  EXPECT_EQ(__half2float(__float2half(65519.0F)), 65504.0F);
  EXPECT_EQ(__half2float(__float2half(65520.0F)), INFINITY);
  EXPECT_EQ(__half2float(__float2half(0x1p-24F)), 0x1p-24F);
  EXPECT_EQ(__half2float(__float2half(0x1p-25F)), 0.0F);
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {  // every finite half survives
    const __half half{static_cast<std::uint16_t>(bits)};
    ASSERT_EQ(__float2half(__half2float(half)).bits, bits);
  }
}

TEST(EmulationTypes, Tf32RoundsTiesAwayFromZero) {
  EXPECT_EQ(round_to_tf32(1.0F + 0x1p-11F), 1.0F + 0x1p-10F);
  EXPECT_EQ(round_to_tf32(-1.0F - 0x1p-11F), -1.0F - 0x1p-10F);
  EXPECT_EQ(round_to_tf32(1.0F + 0x1.8p-12F), 1.0F);
  EXPECT_EQ(round_to_tf32(INFINITY), INFINITY);
}

TEST(Divisor, EqualsDivision) {
  for (const std::int64_t d : {1, 2, 3, 7, 27, 55, 64, 3025, 12321, 65537, 0x7FFFFFFF}) {
    const Divisor divisor(d);
    for (const std::int64_t n : {0L, 1L, d - 1, d, d + 1, 1000003L, 0x7FFFFFFEL, 0x7FFFFFFFL}) {
      if (n > 0x7FFFFFFF) continue;
      const Quotient q = divisor.divide(static_cast<std::int32_t>(n));
      EXPECT_EQ(q.quotient, n / d) << n << " / " << d;
      EXPECT_EQ(q.remainder, n % d) << n << " / " << d;
    }
  }
}

}  // namespace
}  // namespace fovea::emulated
