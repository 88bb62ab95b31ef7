// Pages in headless Chromium.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace fovea {

[[nodiscard]] inline bool has_browser() {
  return std::system("command -v chromium >/dev/null 2>&1") == 0;
}

// The document of a file after its scripts ran; `place`: "#..." behind its name.
[[nodiscard]] inline std::string browsed(const std::filesystem::path& page,
                                         const std::string& place = "") {
  const std::string command =
      "timeout 120 chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=2000 "
      "--dump-dom 'file://" +
      page.string() + place + "' 2>/dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string dom;
  std::array<char, 4096> part{};
  while (const std::size_t n = std::fread(part.data(), 1, part.size(), pipe))
    dom.append(part.data(), n);
  ::pclose(pipe);
  return dom;
}

// How often `part` is in `text`.
[[nodiscard]] inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace fovea
