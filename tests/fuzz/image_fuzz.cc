// JPEG and PNG files; large ones are left to the size check.
#include "data/image.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  const fovea::ImageSize size = fovea::image_size(bytes, "fuzz");
  if (std::int64_t{size.height} * size.width > 1 << 16) return;
  (void)fovea::decode_image(bytes, "fuzz", 3);
})
