// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3").
//
// Every random number of Fovea is a pure function of (seed, purpose, iteration, index): nothing is
// drawn from a running generator, so that any part of a run can be repeated, resumed or computed on
// another device.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>

namespace fovea {

// What the numbers are for; a purpose's value is part of saved runs and never changes its meaning.
enum class RandomPurpose : std::uint32_t {
  kFiller = 1,     // iteration = index of the learnable blob
  kDropout = 2,    // iteration = training iteration * 4096 + layer index
  kShuffle = 3,    // iteration = epoch
  kCrop = 4,       // iteration = position of the record in the whole run
  kMirror = 5,     // as kCrop
  kSynthFace = 6,  // iteration: a stream of data/synth*.cc (a face, a subject, noise, ...)
  kSplit = 7,      // train / validation draw; iteration = fold
  kSmoothGrad = 8,
  kAttribution = 9,  // random baselines of the faithfulness measures
  kSampling = 10,  // class, then record of it; iteration = position of the record in the whole run
  kAugment = 11,   // as kSampling
  kTest = 100,
};

struct RandomKey {
  std::uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::kTest;
  std::uint64_t iteration = 0;
};

// The Philox4x32-10 bijection: four 32-bit words from a 128-bit counter and a 64-bit key.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

// Words 4*block .. 4*block+3 of the stream that `key` names.
// Counter = (block low, block high ^ purpose << 20, iteration low, iteration high), key = seed.
constexpr std::array<std::uint32_t, 4> random_words(const RandomKey& key, std::uint64_t block) {
  return philox4x32(
      {static_cast<std::uint32_t>(block),
       static_cast<std::uint32_t>(block >> 32) ^ (static_cast<std::uint32_t>(key.purpose) << 20),
       static_cast<std::uint32_t>(key.iteration), static_cast<std::uint32_t>(key.iteration >> 32)},
      {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)});
}

constexpr std::uint32_t random_word(const RandomKey& key, std::uint64_t index) {
  return random_words(key, index / 4)[index % 4];
}

// Uniform in [0, 1), 24 bits.
constexpr float to_uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; }
constexpr float random_uniform(const RandomKey& key, std::uint64_t index) {
  return to_uniform(random_word(key, index));
}

// Uniform integer in [0, bound), bound >= 1; the multiply-shift bias is below bound / 2^32.
constexpr std::uint32_t random_below(const RandomKey& key, std::uint64_t index,
                                     std::uint32_t bound) {
  return static_cast<std::uint32_t>((std::uint64_t{random_word(key, index)} * bound) >> 32);
}

// Standard normal (Box-Muller, in double so that equal words give equal values on every machine we
// build on).
inline float random_normal(const RandomKey& key, std::uint64_t index) {
  const auto words = random_words(key, index / 2);
  const std::uint32_t a = words[(index % 2) * 2], b = words[(index % 2) * 2 + 1];
  const double u = (static_cast<double>(a) + 1.0) * 0x1p-32;  // (0, 1]
  const double angle = 2.0 * std::numbers::pi * (static_cast<double>(b) * 0x1p-32);
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(angle));
}

// Fisher-Yates over all of `values`, driven by `key`.
template <class T>
void random_shuffle(const RandomKey& key, std::span<T> values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[random_below(key, i, static_cast<std::uint32_t>(i))]);
  }
}

}  // namespace fovea
