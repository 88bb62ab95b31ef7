// Which implementations a net may run on.
#pragma once

#include <cstdint>

#include "engine/core/fields.h"

namespace fovea {

enum class EngineChoice : std::uint8_t {
  kOrdered,  // the first of the ordered list that supports the problem: the same on every machine
  kOwn,      // likewise, of our own code alone
  kLibrary,  // the library's wherever it has the operation, else our own
  kAuto      // the fastest of all that support the problem, measured once per machine
};
template <>
inline constexpr EnumTable<EngineChoice, 4> enum_names<EngineChoice>{
    {{"ordered", EngineChoice::kOrdered},
     {"own", EngineChoice::kOwn},
     {"library", EngineChoice::kLibrary},
     {"auto", EngineChoice::kAuto}}};

}  // namespace fovea
