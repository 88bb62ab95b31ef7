// IDX, the format of MNIST and its family: big-endian; bytes 0 0 type rank, an u32 per axis,
// values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// An array of unsigned bytes (type 8); points into what was parsed.
struct IdxArray {
  std::vector<std::uint32_t> extents;  // 1 to 4 axes
  std::string_view values;             // the product of extents
};

// Error naming `name` on another type, a wrong size, or anything else that is not such an array.
[[nodiscard]] IdxArray parse_idx(std::string_view bytes, const std::string& name);

}  // namespace fovea
