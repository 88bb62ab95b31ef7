// The relevance kernels on the emulated device against the CPU's, in every order of threads: sizes
// with remainders, several blocks to an image, groups side by side.
#include <gtest/gtest.h>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"
#include "engine/relevance/rule_tables.h"
#include "kernels/emulated/launch.h"
#include "tests/emulated/launch_support.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// The same tensors on both devices.
class Side {
 public:
  explicit Side(const std::string& device)
      : device_(open_device(device)), kernels_(relevance_kernels(device, *device_)) {}

  OpTensor put(const Tensor<float>& plain, Layout layout) {
    const OpTensor t{nullptr, plain.shape, plain.shape.rank() == 4 ? layout : Layout::kPlain};
    memory_.emplace_back(*device_, static_cast<std::size_t>(storage_count(t.shape, t.layout)));
    const OpTensor placed{memory_.back().data(), t.shape, t.layout};
    upload_plain(*device_, plain.view(), placed);
    return placed;
  }
  std::span<const float> put(const std::vector<float>& values) {
    const OpTensor t = put(Tensor<float>(Shape{1, std::ssize(values)}, values), Layout::kPlain);
    return {t.data, values.size()};
  }
  [[nodiscard]] std::vector<float> get(const OpTensor& t) const {
    return download_plain(*device_, t).values;
  }
  RelevanceKernels* operator->() const { return kernels_.get(); }

  // Calls work(entries of T in the device's memory, as `values` says); what they are then.
  template <class T>
  std::vector<T> with(std::vector<T> values, const auto& work) const {
    const DeviceBuffer<T> there(*device_, values.size());
    device_->upload(there.data(), values.data(), there.bytes());
    work(std::span<T>(there.data(), there.size()));
    device_->download(values.data(), there.data(), there.bytes());
    return values;
  }

 private:
  std::shared_ptr<Device> device_;
  std::unique_ptr<RelevanceKernels> kernels_;
  std::vector<DeviceBuffer<float>> memory_;
};

class RelevanceKernel : public testing::TestWithParam<emulated::Order> {
 protected:
  void expect_equal(const OpTensor& mine, const OpTensor& reference, double bound = 0) const {
    const std::vector<float> expected = cpu_.get(reference);
    EXPECT_TRUE(all_near(emulated_.get(mine), expected, bound * largest_magnitude(expected)));
  }

  emulated::ThreadOrderScope order_{GetParam()};
  Side cpu_{"cpu"}, emulated_{"emulated"};
};

INSTANTIATE_TEST_SUITE_P(Orders, RelevanceKernel, testing::ValuesIn(emulated::kAllOrders),
                         [](const auto& test) { return "order" + std::to_string(test.index); });

const Shape kImage{2, 7, 13, 11};  // 1001 values an image: no multiple of anything

TEST_P(RelevanceKernel, Elementwise) {
  const Tensor<float> x = with_zeros(random_tensor<float>(kImage, 1)),
                      c = random_tensor<float>(kImage, 2);
  for (const InputMap map :
       {InputMap::kIdentity, InputMap::kPositive, InputMap::kNegative, InputMap::kOne}) {
    const auto run = [&](Side& side) {
      const OpTensor value = side.put(x, Layout::kChannelsLast),
                     share = side.put(c, Layout::kChannelsLast),
                     r = side.put(c, Layout::kChannelsLast),
                     image =
                         side.put(random_tensor<float>({1, 7, 13, 11}, 3), Layout::kChannelsLast);
      side->accumulate_product(map, 0.5F, value, share, r, false);
      side->accumulate_product(map, 2, value, r, share, true);
      side->apply_map(map, value, value);
      side->add(0.25F, value, share);
      side->add_to_images(image.data, share);
      return share;
    };
    const OpTensor mine = run(emulated_), reference = run(cpu_);
    expect_equal(mine, reference, 1e-6);
  }
}

TEST_P(RelevanceKernel, ReluByEveryRule) {
  const Tensor<float> x = with_zeros(random_tensor<float>(kImage, 1)),
                      r = random_tensor<float>(kImage, 2);
  for (const auto& [name, rule] : enum_names<ReluRule>) {
    if (rule == ReluRule::kPass) continue;
    const auto run = [&, rule = rule](Side& side) {
      const OpTensor relevance = side.put(r, Layout::kChannelsLast);
      side->relu(rule, side.put(x, Layout::kChannelsLast), relevance);
      return relevance;
    };
    const OpTensor mine = run(emulated_), reference = run(cpu_);
    expect_equal(mine, reference);
  }
}

TEST_P(RelevanceKernel, SumsAndFlags) {
  const Shape large{2, 9, 25, 23};  // two blocks an image
  Tensor<float> r = random_tensor<float>(large, 1), y(large, 1.0F);
  const auto sums = [&](Side& side, Layout layout) {
    const OpTensor there = side.put(r, layout);
    return side.with(std::vector<ImageSums>(2),
                     [&](std::span<ImageSums> of) { side->sum_per_image(there, of); });
  };
  const std::vector<ImageSums> mine = sums(emulated_, Layout::kChannelsLast),
                               reference = sums(cpu_, Layout::kPlain);
  for (std::size_t n = 0; n < 2; ++n) {
    EXPECT_NEAR(mine[n].sum, reference[n].sum, 1e-9 * reference[n].magnitude);
    EXPECT_NEAR(mine[n].magnitude, reference[n].magnitude, 1e-9 * reference[n].magnitude);
  }
  const auto serves = [&] {
    return emulated_->output_serves(emulated_.put(y, Layout::kChannelsLast),
                                    emulated_.put(r, Layout::kChannelsLast));
  };
  // The same without an answer: a flag that nothing but a no changes.
  const auto noted = [&](Side& side, Layout layout) {
    const OpTensor above = side.put(y, layout), there = side.put(r, layout);
    std::vector<int> flags{0, 7, 0};
    return side.with(
        flags, [&](std::span<int> flag) { side->note_unserved(above, there, flag.data() + 1); })[1];
  };
  const auto expect = [&](bool answer) {
    EXPECT_EQ(serves(), answer);
    EXPECT_EQ(noted(emulated_, Layout::kChannelsLast), answer ? 7 : 1);
    EXPECT_EQ(noted(cpu_, Layout::kPlain), answer ? 7 : 1);
  };
  expect(true);
  y.values.back() = 0;
  expect(false);
  r.values.back() = 0;
  expect(true);
}

TEST_P(RelevanceKernel, WhatArrivedIsTakenOffThePadding) {
  const Tensor<float> r = random_tensor<float>({2, 9, 25, 23}, 1);
  const auto left = [&](Side& side, Layout layout) {
    const OpTensor there = side.put(r, layout);
    return side.with(std::vector<AbsorbedSums>{{.bias = 1, .padding = 5}, {.padding = -2}},
                     [&](std::span<AbsorbedSums> of) { side->take_arrived(there, of); });
  };
  const std::vector<AbsorbedSums> mine = left(emulated_, Layout::kChannelsLast),
                                  reference = left(cpu_, Layout::kPlain);
  for (std::size_t n = 0; n < 2; ++n) {
    EXPECT_NE(mine[n].padding, n == 0 ? 5 : -2);
    EXPECT_NEAR(mine[n].padding, reference[n].padding, 1e-9 * 5000);
  }
  EXPECT_EQ(mine[0].bias, 1);
}

TEST_P(RelevanceKernel, ChannelsTakenAndKept) {
  const Tensor<float> whole = random_tensor<float>(kImage, 1);
  const std::vector<std::uint8_t> keep{1, 0, 0, 1, 1, 0, 1};
  for (const Layout from : {Layout::kPlain, Layout::kChannelsLast}) {
    for (const Layout to : {Layout::kPlain, Layout::kChannelsLast}) {
      const auto run = [&](Side& side) {
        const OpTensor part = side.put(Tensor<float>({2, 3, 13, 11}), to);
        side->take_channels(side.put(whole, from), 2, part);
        return part;
      };
      const OpTensor mine = run(emulated_), reference = run(cpu_);
      expect_equal(mine, reference);
    }
    const auto run = [&](Side& side) {
      const OpTensor all = side.put(whole, from);
      (void)side.with(
          keep, [&](std::span<const std::uint8_t> there) { side->keep_channels(there, all); });
      return all;
    };
    const OpTensor mine = run(emulated_), reference = run(cpu_);
    expect_equal(mine, reference);
  }
}

// Two groups side by side within each of two groups of a convolution, where the layouts differ: the
// CPU's are plain, the device's channels-last.
TEST_P(RelevanceKernel, QuotientsWithTheirSums) {
  const Shape layer{2, 6, 25, 29}, both{2, 12, 25, 29};  // 4350 outputs an image: two blocks
  const std::int64_t plane = 25 * 29;
  Tensor<float> r = with_zeros(random_tensor<float>(layer, 1));
  Tensor<float> z = random_tensor<float>(both, 2);
  const std::vector<float> bias{1, -2, 3, 0.5F, 0, -1}, taps{2, 1, 0, -1, 3, 1};
  RelevanceRule gated = epsilon_rule(0.1F);
  gated.groups = 2, gated.gate = Gate::kSign, gated.coefficient = {1, -0.5F};
  RelevanceRule relative = epsilon_relative_rule(0.25F);
  relative.groups = 2, relative.coefficient = {1, 2};
  for (const RelevanceRule& rule :
       {alpha_beta_rule(1), gated, relative, z_box_rule(), gradient_rule()}) {
    SCOPED_TRACE(rule.name);
    std::vector<AbsorbedSums> mine(2), reference(2);
    const auto run = [&](Side& side, Layout layout, std::int64_t block,
                         std::vector<AbsorbedSums>& sums) {
      const OpTensor quotients = side.put(z, layout), above = side.put(r, layout);
      std::vector<QuotientGroup> groups;
      for (int g = 0; g < rule.groups; ++g) {
        groups.push_back({.data = quotients.data + g * 3 * block,
                          .image_size = 12 * plane,
                          .run = 3,
                          .stride = 6,
                          .coefficient = rule.coefficient[static_cast<std::size_t>(g)],
                          .bias = side.put(bias),
                          .taps = side.put(taps)});
      }
      sums = side.with(sums, [&](std::span<AbsorbedSums> absorbed) {
        side->divide(rule, groups, above, absorbed);
      });
      return std::tuple{quotients, groups[0], above};
    };
    const auto [my_s, my_group, my_r] = run(emulated_, Layout::kChannelsLast, 1, mine);
    const auto [s, group, cpu_r] = run(cpu_, Layout::kPlain, plane, reference);
    expect_equal(my_s, s, 1e-6);
    for (std::int64_t n = 0; n < 2; ++n) {
      const AbsorbedSums &a = mine[static_cast<std::size_t>(n)],
                         &b = reference[static_cast<std::size_t>(n)];
      EXPECT_NEAR(a.bias, b.bias, 1e-6 * std::abs(b.bias));
      EXPECT_NEAR(a.padding, b.padding, 1e-6 * std::abs(b.padding));
      EXPECT_NEAR(a.epsilon, b.epsilon, 1e-4 * std::abs(b.epsilon) + 1e-4);
      EXPECT_FLOAT_EQ(a.weakest, b.weakest);
      EXPECT_FLOAT_EQ(a.strongest, b.strongest);
      if (rule.stabilizer == Stabilizer::kUndivided) {
        // Whatever stands in the place of Z: nothing is lost.
        EXPECT_EQ(a.epsilon, 0);
        EXPECT_EQ(b.epsilon, 0);
        continue;
      }
      EXPECT_EQ(emulated_->weakest_unit(my_group, my_r, n), cpu_->weakest_unit(group, cpu_r, n));
    }
  }
}

TEST_P(RelevanceKernel, SumsCompletedFromTheOutput) {
  const Shape layer{2, 6, 5, 7}, both{2, 12, 5, 7};
  const Tensor<float> y = random_tensor<float>(layer, 1), negative = random_tensor<float>(layer, 2);
  const auto run = [&](Side& side, Layout layout, std::int64_t block) {
    const OpTensor z = side.put(Tensor<float>(both), layout);
    std::vector<QuotientGroup> groups(2);
    for (int g = 0; g < 2; ++g)
      groups[static_cast<std::size_t>(g)] = {
          .data = z.data + g * 3 * block, .image_size = 12 * 35, .run = 3, .stride = 6};
    side->complete_sums(side.put(y, layout), side.put(negative, layout), groups);
    return z;
  };
  const OpTensor mine = run(emulated_, Layout::kChannelsLast, 1),
                 reference = run(cpu_, Layout::kPlain, 35);
  expect_equal(mine, reference);
}

TEST_P(RelevanceKernel, PoolingAndLrn) {
  const PoolingParams overlapping{.kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 1}};
  for (const std::int64_t channels : {7, 8}) {
    const Shape shape{2, channels, 9, 6};
    Tensor<float> x = random_tensor<float>(shape, 1);
    std::ranges::fill(std::span(x.values).first(54), 0.0F);
    const Tensor<float> above = random_tensor<float>(output_shape(overlapping, shape), 2),
                        r = random_tensor<float>(shape, 3);
    for (const Layout layout : {Layout::kPlain, Layout::kChannelsLast}) {
      for (const AveragePoolingRule rule :
           {AveragePoolingRule::kProportional, AveragePoolingRule::kToolbox}) {
        const auto run = [&](Side& side) {
          const OpTensor bottom = side.put(Tensor<float>(shape), layout);
          side->average_pooling(overlapping, rule, side.put(x, layout), side.put(above, layout),
                                bottom);
          return bottom;
        };
        const OpTensor mine = run(emulated_), reference = run(cpu_);
        expect_equal(mine, reference, 1e-6);
      }
      for (const LrnRule rule : {LrnRule::kTaylor, LrnRule::kToolbox}) {
        for (const float beta : {0.75F, 0.6F}) {
          const LrnParams params{.size = 5, .alpha = 0.5F, .beta = beta, .k = 2};
          const auto run = [&](Side& side) {
            const OpTensor bottom = side.put(Tensor<float>(shape), layout);
            side->lrn(params, rule, side.put(x, layout), side.put(r, layout), bottom);
            return bottom;
          };
          const OpTensor mine = run(emulated_), reference = run(cpu_);
          expect_equal(mine, reference, 1e-5);
        }
      }
    }
  }
}

TEST_P(RelevanceKernel, BiasSpreadOverTheTaps) {
  const ConvolutionParams params{
      .outputs = 6, .kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 1}, .groups = 2};
  const Shape shape{2, 4, 8, 7};
  const Tensor<float> x = random_tensor<float>(shape, 1),
                      w = random_tensor<float>(weight_shape(params, shape), 2),
                      r = random_tensor<float>(output_shape(params, shape), 3);
  const std::vector<float> bias{1, -2, 3, 0.5F, 0, -1};
  for (const DistributedRule rule : {DistributedRule{0.5F, -1}, DistributedRule{0, 1}}) {
    std::vector<AbsorbedSums> mine(2), reference(2);
    const auto run = [&](Side& side, std::vector<AbsorbedSums>& sums) {
      const OpTensor bottom = side.put(Tensor<float>(shape), Layout::kPlain);
      sums = side.with(sums, [&](std::span<AbsorbedSums> absorbed) {
        side->distributed(params, rule, side.put(x, Layout::kPlain), side.put(w.values).data(),
                          side.put(bias).data(), side.put(r, Layout::kPlain), bottom, absorbed);
      });
      return bottom;
    };
    const OpTensor bottom = run(emulated_, mine), expected = run(cpu_, reference);
    expect_equal(bottom, expected, 1e-5);
    for (std::size_t n = 0; n < 2; ++n) {
      EXPECT_NEAR(mine[n].padding, reference[n].padding, 1e-4);
      EXPECT_NEAR(mine[n].epsilon, reference[n].epsilon, 1e-4);
    }
  }
}

}  // namespace
}  // namespace fovea
