// JPEG through libjpeg-turbo (FOVEA_WITH_JPEG): twice stb_image's speed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"

namespace fovea {

// Decodes to image.channels (1 or 3) and image.height x image.width, which are the file's, and
// returns true; false when this build has no libjpeg-turbo, or for a file in a colour space that it
// does not convert (CMYK). Error naming `name` for a damaged file, also where libjpeg only warns.
bool decode_jpeg_turbo(std::span<const std::uint8_t> bytes, const std::string& name, Image& image);

}  // namespace fovea
