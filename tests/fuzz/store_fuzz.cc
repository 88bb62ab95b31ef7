// A whole store file: opened, read, verified.
#include "data/store.h"
#include "data/verify.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const fovea::ScratchFile file(text);
  const fovea::Store store(file.path());
  for (std::uint32_t i = 0; i < store.size() && i < 16; ++i) (void)store.values(i);
  fovea::verify_store(store, 1);
})
