// How a parameter starts. fan_in = count / shape[0] (Caffe filler.hpp, variance norm FAN_IN).
//   constant: value      uniform: [min, max)      gaussian: mean + std * normal
//   xavier: uniform in +-sqrt(3 / fan_in)         msra: sqrt(2 / fan_in) * normal
#pragma once

#include "engine/core/fields.h"

namespace fovea {

enum class FillerType { kConstant, kUniform, kGaussian, kXavier, kMsra };
template <>
inline constexpr EnumTable<FillerType, 5> enum_names<FillerType>{
    {{"constant", FillerType::kConstant},
     {"uniform", FillerType::kUniform},
     {"gaussian", FillerType::kGaussian},
     {"xavier", FillerType::kXavier},
     {"msra", FillerType::kMsra}}};

struct Filler {
  FillerType type = FillerType::kConstant;
  float value = 0, min = 0, max = 1, mean = 0, std = 1;

  bool operator==(const Filler&) const = default;
  template <class Self, class V>
  static void visit(Self& f, V&& v) {
    v("type", f.type), v("value", f.value), v("min", f.min), v("max", f.max), v("mean", f.mean),
        v("std", f.std);
  }
};

}  // namespace fovea
