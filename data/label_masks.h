// Masks of the pixels that carry a label, as `fovea data synth` writes them beside its faces
// (data/synth.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/folds.h"
#include "data/transform.h"

namespace fovea {

class LabelMasks {
 public:
  // `folder`: what `data synth` wrote, or its masks/. Error when there is no such folder.
  explicit LabelMasks(const std::filesystem::path& folder);

  // The mask of a store's record: 1 where the pixel carries `target`, (crop, crop), cut at `window`
  // from the stored image of height x width pixels. `source` is the record's path below the images'
  // folder; a mask of another size than the stored image is read at the nearest pixel. Error naming
  // the file when there is none.
  [[nodiscard]] std::vector<std::uint8_t> read(std::string_view source, Target target, int height,
                                               int width, const Window& window, int crop) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace fovea
