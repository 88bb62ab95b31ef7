// The one exception type of Fovea, and string building for its messages.
//
// A user mistake (file, JSON, command line) is an Error whose text is one line:
//   <what> in <file>[:line or key]: <found>, expected <...>
// apps/main.cc prints it behind "fovea: error: " and exits with 1.
#pragma once

#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>

namespace fovea {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Concatenates anything that streams: str("layer ", name, ": ", 3, " outputs").
template <class... Parts>
[[nodiscard]] std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

// Throws Error unless `condition` holds. For mistakes that a user can make.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) throw Error(str(parts...));
}

namespace detail {
[[noreturn]] inline void throw_internal_error(const char* what, std::source_location where) {
  throw Error(str("internal error: ", what, " (", where.file_name(), ":", where.line(), ")"));
}
}  // namespace detail

// Throws Error naming the source line unless `condition` holds. For what only a defect of Fovea can
// break.
constexpr void expects(bool condition, const char* what,
                       std::source_location where = std::source_location::current()) {
  if (!condition) detail::throw_internal_error(what, where);
}

}  // namespace fovea
