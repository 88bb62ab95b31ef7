// List files and CSV.
#include "data/image_list.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  if (text.starts_with("C")) {
    (void)fovea::parse_csv(text.substr(1), "fuzz", "");
  } else {
    (void)fovea::parse_list(text, "fuzz", "", "label");
  }
})
