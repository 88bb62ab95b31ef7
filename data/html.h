// Small pieces of HTML text.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "data/image.h"

namespace fovea {

// & < > " ' as entities.
[[nodiscard]] std::string escape_html(std::string_view text);
// "3.10" for (3.1, 2); "-0.00" never appears.
[[nodiscard]] std::string fixed(double value, int digits);
// "71.3 %" for 0.713.
[[nodiscard]] std::string percent(double share, int digits = 1);
[[nodiscard]] std::string base64(std::string_view bytes);
// The image as a PNG inside the page: "data:image/png;base64,...".
[[nodiscard]] std::string data_uri(const Image& image);

}  // namespace fovea
