// The subcommands of `fovea data`, one file each or a few small ones together.
#pragma once

#include <CLI/CLI.hpp>

namespace fovea::apps {

void add_data_adience_command(CLI::App& data);   // data_adience.cc
void add_data_compare_commands(CLI::App& data);  // data_compare.cc: split diff audit
void add_data_import_commands(CLI::App& data);   // data_import.cc: folder idx lmdb append export-*
void add_data_synth_command(CLI::App& data);     // data_synth.cc
void add_data_tool_commands(CLI::App& data);     // data_tools.cc: inspect verify stats extract mean

}  // namespace fovea::apps
