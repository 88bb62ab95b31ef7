// Names by pattern: '*' stands for any text, '?' for any character; an empty pattern is everything.
#pragma once

#include <string_view>

namespace fovea {

[[nodiscard]] constexpr bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return true;
  // Behind the last '*': where pattern and text go on when it takes one character more.
  std::size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, from = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace fovea
