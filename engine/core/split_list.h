// Lists as they are written on a command line and in messages.
#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace fovea {

// "a,b,c" -> a, b, c; empty parts are left out.
[[nodiscard]] inline std::vector<std::string> split_list(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> parts;
  for (std::string part; std::getline(stream, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// a, b, c -> "a, b, c".
[[nodiscard]] inline std::string join_list(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

}  // namespace fovea
