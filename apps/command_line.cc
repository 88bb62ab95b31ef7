#include "apps/command_line.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "apps/common.h"
#include "engine/backend/registry.h"
#include "engine/core/fields.h"
#include "engine/parallel/rank_device.h"

namespace fovea::apps {
namespace {

// The subcommand that the line got to, with all in front of it: "fovea data synth".
std::pair<const CLI::App*, std::string> place_of(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string name = app.get_name();
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return {at, name};
}

CLI::Validator number_check(bool (*fits)(double), const std::string& expected,
                            const std::string& shown) {
  return {[fits, expected](const std::string& text) {
            double value = 0;
            const bool good = CLI::detail::lexical_cast(text, value) && fits(value);
            return good ? std::string() : str("'", text, "', expected ", expected);
          },
          shown};
}

}  // namespace

std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
  const auto [at, name] = place_of(app);
  const std::string help = str(" (", name, " --help)");
  const std::vector<std::string> left = app.remaining(/*recurse=*/true);
  if (left.empty()) return error.what() + help;
  const std::string& word = left.front();
  std::vector<std::string> known;
  if (word.starts_with("-")) {
    for (const CLI::App* of : {at, &app}) {
      for (const CLI::Option* option : of->get_options())
        for (const std::string& long_name : option->get_lnames()) known.push_back("--" + long_name);
    }
    return str("unknown option of ", name, ": '", word, "'", did_you_mean(word, known), help);
  }
  for (const CLI::App* command : at->get_subcommands({})) known.push_back(command->get_name());
  if (known.empty()) return str("unexpected argument of ", name, ": '", word, "'", help);
  return str("unknown command: '", name, " ", word, "'", did_you_mean(word, known), help);
}

std::string unknown_device(const std::string& device) {
  const std::string name = device_without_number(device);
  return name == "auto" || std::ranges::find(kAllDevices, name) != std::end(kAllDevices)
             ? ""
             : "unknown device: '" + device +
                   "', expected auto | cpu | reference | emulated | cuda[:N] | cudnn[:N]";
}

std::string printable(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are controls too.
    const bool high = byte >= 0x80 && byte < 0xA0 && i > 0 && text[i - 1] == '\xC2';
    if (byte >= 0x20 && byte != 0x7F && !high) {
      result += text[i];
    } else {
      result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return result;
}

CLI::Validator not_negative() {
  return number_check([](double x) { return x >= 0; }, "a number that is not negative", ">= 0");
}

CLI::Validator positive() {
  return number_check([](double x) { return x > 0; }, "a number above 0", "> 0");
}

}  // namespace fovea::apps
