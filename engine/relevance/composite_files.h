// The composites of configs/relevance/, as they were when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace fovea {

struct CompositeFile {
  std::string_view name, json;
};
[[nodiscard]] std::span<const CompositeFile> composite_files();

}  // namespace fovea
