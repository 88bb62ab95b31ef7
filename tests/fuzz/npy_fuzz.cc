// NumPy arrays.
#include "engine/core/npy.h"

#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const fovea::ScratchFile file(text);
  const fovea::Tensor<float> array = fovea::read_npy(file.path());
  if (array.shape.count() != std::ssize(array.values)) __builtin_trap();
})
