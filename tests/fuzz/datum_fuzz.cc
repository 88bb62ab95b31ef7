// Caffe's Datum: what was read is written and read again as the same.
#include <cstring>

#include "data/datum.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const fovea::Datum datum = fovea::parse_datum(text, "fuzz");
  const std::string first = fovea::write_datum(datum);
  // By bytes: NaN differs from itself.
  if (fovea::write_datum(fovea::parse_datum(first, "fuzz")) != first) __builtin_trap();
})
