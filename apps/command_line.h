// What may be wrong with a command line, and how mistakes are printed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace fovea::apps {

// "unknown option of fovea data synth: '--sed', did you mean '--seed'? (fovea data synth --help)".
[[nodiscard]] std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error);

// "" for the name of a device, with or without a number. Whether this machine has it is another
// question, which opening it answers.
[[nodiscard]] std::string unknown_device(const std::string& device);

// An error may quote what a file holds: control bytes as \xNN, so that it stays one line and the
// terminal as it is.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace fovea::apps
