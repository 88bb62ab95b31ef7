// Weight files: what was read is written and read again as the same.
#include "engine/io/safetensors.h"

#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const fovea::ScratchFile file(text);
  const fovea::WeightFile read = fovea::read_safetensors(file.path());
  fovea::write_safetensors(file.path(), read);
  const fovea::WeightFile again = fovea::read_safetensors(file.path());
  if (again.metadata != read.metadata || again.tensors.size() != read.tensors.size())
    __builtin_trap();
  for (const auto& [name, tensor] : read.tensors) {
    const auto* other = again.find(name);
    if (!other || other->shape != tensor.shape) __builtin_trap();
  }
})
