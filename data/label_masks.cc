#include "data/label_masks.h"

#include "data/image.h"
#include "data/synth.h"
#include "data/synth_face.h"
#include "engine/core/error.h"

namespace fovea {

namespace fs = std::filesystem;

LabelMasks::LabelMasks(const fs::path& folder) : folder_(folder) {
  std::error_code ignored;
  if (fs::is_directory(folder / "masks", ignored)) folder_ /= "masks";
  require(fs::is_directory(folder_, ignored), "no masks in ", folder.string(),
          ": no such folder, expected one that `fovea data synth` wrote");
}

std::vector<std::uint8_t> LabelMasks::read(std::string_view source, Target target, int height,
                                           int width, const Window& window, int crop) const {
  const fs::path file = (folder_ / source).replace_extension(".png");
  const Image mask = read_image(file, 1);
  const std::uint8_t bit = target == Target::kAge ? synth::kCarriesAge : synth::kCarriesGender;
  std::vector<std::uint8_t> part;
  for (int y = window.top; y < window.top + crop; ++y) {
    for (int x = window.left; x < window.left + crop; ++x) {
      // The mask's pixel in which the centre of the image's pixel lies.
      const int row = (2 * y + 1) * mask.height / (2 * height);
      const int column = (2 * x + 1) * mask.width / (2 * width);
      const int value = mask.pixels[static_cast<std::size_t>(row * mask.width + column)];
      part.push_back((value / synth::kMaskStep & bit) != 0 ? 1 : 0);
    }
  }
  return part;
}

}  // namespace fovea
