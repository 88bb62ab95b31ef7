#include "engine/core/shared_library.h"

#include <dlfcn.h>

#include "engine/core/error.h"

namespace fovea {

void* open_shared_library(const std::string& name) {
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* words = dlerror();
    throw Error(str("no ", name, ": ", words ? words : "not loaded",
                    ", expected it in LD_LIBRARY_PATH or among the system's libraries"));
  }
  return library;
}

void* function_of_library(void* library, const std::string& name, const char* function) {
  void* found = dlsym(library, function);
  require(found != nullptr, "wrong ", name, ": no function ", function);
  return found;
}

}  // namespace fovea
