// A whole store file: opened, read, verified.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "data/store.h"
#include "data/verify.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const bool memory = std::filesystem::exists("/dev/shm");
  static const std::string path =
      fovea::str(memory ? "/dev/shm" : "/tmp", "/fovea_fuzz_", ::getpid());
  std::ofstream(path, std::ios::binary) << text;
  struct Remove {
    ~Remove() { ::unlink(path.c_str()); }
  } const remove;
  const fovea::Store store(path);
  for (std::uint32_t i = 0; i < store.size() && i < 16; ++i) (void)store.values(i);
  fovea::verify_store(store, 1);
})
