// IDX arrays, and gzip around them.
#include "data/gzip.h"
#include "data/idx.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  if (text.starts_with("\x1F\x8B")) {
    const std::string unpacked = fovea::gunzip(text, "fuzz", 1 << 20);
    (void)fovea::parse_idx(unpacked, "fuzz");
  } else {
    (void)fovea::parse_idx(text, "fuzz");
  }
})
