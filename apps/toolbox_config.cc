#include "apps/toolbox_config.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "data/mean.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

constexpr std::string_view kOptional = "auxiliaryvariable_maxlayerindexforflatdistinconv";

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool is_name(const std::string& word) {
  return std::ranges::all_of(word, [](unsigned char c) { return std::isalnum(c) || c == '_'; }) &&
         !std::isdigit(static_cast<unsigned char>(word[0]));
}

// The value as the JSON that the field's type asks for.
template <class T>
void read_value(const std::string& text, T& field, const std::string& where) {
  if constexpr (std::is_same_v<T, std::string>) {
    field = text;
  } else {
    const Json json = Json::parse(text, nullptr, false);
    read_json(json.is_discarded() ? Json(text) : json, field, where);
  }
}

}  // namespace

ToolboxConfig read_toolbox_config(const std::string& file) {
  std::istringstream stream(read_file(file));
  ToolboxConfig config;
  std::vector<std::string> seen;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() != 1 || !is_name(words[0])) continue;
    const std::string where = str(file, ":", number, ": ", words[0]);
    require(std::ranges::find(seen, words[0]) == seen.end(), "key given twice in ", where);
    const bool more = static_cast<bool>(std::getline(stream, line));
    ++number;
    const std::vector<std::string> value = more ? words_of(line) : std::vector<std::string>{};
    bool known = false;
    visit_fields(config, [&](std::string_view name, auto& field) {
      if (name != words[0]) return;
      known = true;
      require(!value.empty(), "no value in ", where, ", expected it on the next line");
      read_value(value[0], field, where);
    });
    require(known, "unknown key in ", file, ":", number - 1, ": '", words[0], "'",
            did_you_mean(words[0], field_names<ToolboxConfig>()));
    seen.push_back(words[0]);
  }
  for (const std::string& name : field_names<ToolboxConfig>()) {
    require(name == kOptional || std::ranges::find(seen, name) != seen.end(), "missing key in ",
            file, ": ", name);
  }
  return config;
}

std::vector<ToolboxImage> read_toolbox_list(const std::string& file, const std::string& root) {
  std::istringstream stream(read_file(file));
  std::vector<ToolboxImage> images;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    ToolboxImage image;
    require(words.size() == 2, "wrong line in ", file, ":", number, ": '", line,
            "', expected PATH CLASS");
    read_value(words[1], image.kind, str(file, ":", number));
    require(image.kind >= -2, "wrong class in ", file, ":", number, ": ", image.kind,
            ", expected -2, -1 or a class");
    image.path = root + "/" + words[0];
    images.push_back(std::move(image));
  }
  require(!images.empty(), "no image in ", file);
  return images;
}

Tensor<float> read_toolbox_mean(const ToolboxConfig& config) {
  const int kind = config.use_mean_file_asbinaryprotoblob;
  require(kind >= 0 && kind <= 2, "wrong value for use_mean_file_asbinaryprotoblob: ", kind,
          ", expected 0 (text), 1 (blue green red) or 2 (red green blue)");
  if (kind > 0) {
    Tensor<float> mean = read_mean(config.mean_file);
    require(mean.shape[0] == 3, "wrong mean image in ", config.mean_file, ": ", mean.shape,
            ", expected three channels");
    const auto plane = mean.shape[1] * mean.shape[2];
    if (kind == 2)
      std::swap_ranges(mean.values.begin(), mean.values.begin() + plane,
                       mean.values.begin() + 2 * plane);
    return mean;
  }
  // Text: channels, rows, columns, then the values of each channel column by column.
  std::istringstream stream(read_file(config.mean_file));
  std::int64_t channels = 0, rows = 0, columns = 0;
  stream >> channels >> rows >> columns;
  require(stream && channels == 3 && rows > 0 && columns > 0 && rows <= 32768 && columns <= 32768,
          "wrong mean image in ", config.mean_file, ", expected '3 ROWS COLUMNS' and the values");
  Tensor<float> mean({channels, rows, columns});
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t w = 0; w < columns; ++w) {
      for (std::int64_t h = 0; h < rows; ++h)
        stream >> mean.values[static_cast<std::size_t>((c * rows + h) * columns + w)];
    }
  }
  require(static_cast<bool>(stream), "truncated mean image in ", config.mean_file);
  return mean;
}

}  // namespace fovea::apps
