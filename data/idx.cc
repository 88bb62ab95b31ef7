#include "data/idx.h"

#include "engine/core/error.h"

namespace fovea {

IdxArray parse_idx(std::string_view bytes, const std::string& name) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  require(bytes.size() >= 4 && byte(0) == 0 && byte(1) == 0, "not an IDX file: ", name,
          ": unknown first bytes, expected 0 0");
  require(byte(2) == 8, "values in ", name, ": IDX type ", int{byte(2)},
          ", expected 8 (unsigned bytes)");
  const std::size_t rank = byte(3);
  require(rank >= 1 && rank <= 4 && bytes.size() >= 4 + 4 * rank, "axes in ", name, ": ", rank,
          ", expected 1 to 4");
  IdxArray array{.extents = {}, .values = bytes.substr(4 + 4 * rank)};
  std::uint64_t count = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::uint32_t extent = 0;
    for (std::size_t i = 0; i < 4; ++i) extent = extent << 8 | byte(4 + 4 * axis + i);
    array.extents.push_back(extent);
    // Before the product can pass 2^64: it must come out as the file's size.
    require(extent == 0 || count <= bytes.size() / extent, "size of ", name, ": ", bytes.size(),
            " bytes, expected what its axes say");
    count *= extent;
  }
  require(count == array.values.size(), "size of ", name, ": ", array.values.size(),
          " values, expected ", count, " as its axes say");
  return array;
}

}  // namespace fovea
