// Adience fold files, with the label fix.
#include "data/folds.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  fovea::FoldFiles files;
  fovea::parse_fold_file(text, "fuzz", 0, true, files);
})
