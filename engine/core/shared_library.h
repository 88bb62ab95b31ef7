// Libraries that are looked for when the program runs (dlopen).
#pragma once

#include <string>

namespace fovea {

// `name` as dlopen takes it: it looks into LD_LIBRARY_PATH and where the system keeps libraries,
// and a name with a slash is a path. Stays loaded. Error with the loader's words.
[[nodiscard]] void* open_shared_library(const std::string& name);

// A function of a library that open_shared_library(name) gave. Error when it lacks it.
[[nodiscard]] void* function_of_library(void* library, const std::string& name,
                                        const char* function);

template <class Function>
void find_function(void* library, const std::string& name, const char* function, Function& found) {
  found = reinterpret_cast<Function>(function_of_library(library, name, function));
}

}  // namespace fovea
