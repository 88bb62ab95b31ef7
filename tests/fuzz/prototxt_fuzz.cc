// Caffe's text format.
#include "engine/graph/prototxt.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) { (void)fovea::parse_prototxt(std::string(text), "fuzz"); })
