// How the drawn features depend on age: one row per feature, one value in the middle of each age
// class. Lengths in face units, strengths 0..1. Internal to data/synth_traits.cc.
#pragma once

#include <algorithm>
#include <array>

#include "data/synth_traits.h"

namespace fovea::synth {

// First and last year of each class, and the years for which the curves give their values.
inline constexpr std::array<std::array<float, 2>, kAgeCount> kYears{
    {{0, 2}, {4, 6}, {8, 12}, {15, 20}, {25, 32}, {38, 43}, {48, 53}, {60, 90}}};
using AgeCurve = std::array<float, kAgeCount>;
inline constexpr AgeCurve kMiddle{1, 5, 10, 17.5F, 28.5F, 40.5F, 50.5F, 72};

//                              0-2     4-6     8-12    15-20   25-32   38-43   48-53   60-
inline constexpr AgeCurve kCrown{-0.80F, -0.82F, -0.84F, -0.86F, -0.87F, -0.87F, -0.87F, -0.86F};
inline constexpr AgeCurve kChin{0.62F, 0.68F, 0.75F, 0.82F, 0.86F, 0.87F, 0.88F, 0.89F};
inline constexpr AgeCurve kSkull{0.74F, 0.70F, 0.655F, 0.62F, 0.60F, 0.60F, 0.60F, 0.59F};
inline constexpr AgeCurve kCheek{0.72F, 0.66F, 0.60F, 0.56F, 0.555F, 0.56F, 0.565F, 0.555F};
inline constexpr AgeCurve kJaw{0.52F, 0.47F, 0.42F, 0.385F, 0.39F, 0.41F, 0.435F, 0.45F};
inline constexpr AgeCurve kChinWidth{0.20F, 0.18F, 0.165F, 0.155F, 0.17F, 0.18F, 0.19F, 0.19F};
inline constexpr AgeCurve kNeck{0.24F, 0.25F, 0.27F, 0.31F, 0.34F, 0.35F, 0.36F, 0.34F};
inline constexpr AgeCurve kEar{0.13F, 0.135F, 0.14F, 0.14F, 0.145F, 0.15F, 0.16F, 0.19F};
inline constexpr AgeCurve kEyeY{0.14F, 0.10F, 0.055F, 0.01F, -0.02F, -0.03F, -0.03F, -0.04F};
inline constexpr AgeCurve kEyeX{0.315F, 0.30F, 0.285F, 0.27F, 0.265F, 0.265F, 0.265F, 0.26F};
inline constexpr AgeCurve kEyeWidth{0.195F, 0.18F, 0.165F, 0.15F, 0.14F, 0.135F, 0.13F, 0.12F};
inline constexpr AgeCurve kEyeOpen{0.92F, 0.86F, 0.78F, 0.68F, 0.60F, 0.55F, 0.50F, 0.42F};
inline constexpr AgeCurve kBrowGap{0.17F, 0.155F, 0.145F, 0.135F, 0.13F, 0.125F, 0.125F, 0.12F};
inline constexpr AgeCurve kBrowThickness{0.022F, 0.032F, 0.042F, 0.05F,
                                         0.056F, 0.058F, 0.06F,  0.062F};
inline constexpr AgeCurve kNoseDrop{0.20F, 0.225F, 0.26F, 0.31F, 0.34F, 0.355F, 0.37F, 0.40F};
inline constexpr AgeCurve kNoseWidth{0.075F, 0.085F, 0.095F, 0.11F, 0.12F, 0.125F, 0.135F, 0.15F};
inline constexpr AgeCurve kNoseBridge{0.0F, 0.0F, 0.1F, 0.45F, 0.7F, 0.8F, 0.9F, 1.0F};
inline constexpr AgeCurve kMouthWidth{0.15F, 0.175F, 0.20F, 0.22F, 0.235F, 0.235F, 0.235F, 0.23F};
inline constexpr AgeCurve kLips{0.85F, 0.85F, 0.9F, 1.0F, 1.0F, 0.9F, 0.75F, 0.45F};
inline constexpr AgeCurve kBlush{0.85F, 0.65F, 0.40F, 0.15F, 0.06F, 0.04F, 0.03F, 0.02F};
inline constexpr AgeCurve kBlemishes{0.0F, 0.0F, 0.05F, 0.9F, 0.05F, 0.0F, 0.0F, 0.0F};
inline constexpr AgeCurve kForeheadLines{0.0F, 0.0F, 0.0F, 0.0F, 0.02F, 0.45F, 0.75F, 1.0F};
inline constexpr AgeCurve kMouthFolds{0.0F, 0.0F, 0.0F, 0.0F, 0.15F, 0.55F, 0.8F, 1.0F};
inline constexpr AgeCurve kCrowFeet{0.0F, 0.0F, 0.0F, 0.0F, 0.02F, 0.35F, 0.75F, 1.0F};
inline constexpr AgeCurve kEyeBags{0.05F, 0.0F, 0.0F, 0.0F, 0.1F, 0.35F, 0.75F, 1.0F};
inline constexpr AgeCurve kJowls{0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.05F, 0.3F, 0.9F};
inline constexpr AgeCurve kAgeSpots{0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.1F, 0.8F};
inline constexpr AgeCurve kGray{0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.14F, 0.52F, 0.95F};
inline constexpr AgeCurve kReceding{0.0F, 0.0F, 0.0F, 0.0F, 0.12F, 0.38F, 0.55F, 0.75F};
// How far the gender shows in the bones and in hair growth.
inline constexpr AgeCurve kMaturity{0.0F, 0.1F, 0.3F, 0.8F, 1.0F, 1.0F, 1.0F, 0.9F};

// The curve at an age, straight lines between the middles, constant beyond the outer ones.
inline float at_age(const AgeCurve& curve, float years) {
  for (std::size_t i = 1; i < curve.size(); ++i) {
    if (years < kMiddle[i] || i + 1 == curve.size()) {
      const float t = (years - kMiddle[i - 1]) / (kMiddle[i] - kMiddle[i - 1]);
      return curve[i - 1] + std::clamp(t, 0.0F, 1.0F) * (curve[i] - curve[i - 1]);
    }
  }
  return curve.back();
}

}  // namespace fovea::synth
