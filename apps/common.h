// What every subcommand shares: the options that work everywhere, talk on stderr, results on
// stdout.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "engine/core/json.h"

namespace fovea::apps {

// Options that `fovea` accepts in front of or behind any subcommand (design: cli contract, general
// rules).
struct CommonOptions {
  std::string device = "auto";
  std::string engine = "ordered";
  std::string precision = "fp32";
  int threads = 0;  // 0: every core
  std::uint64_t seed = 0;
  bool json = false, quiet = false, force = false;
};

// The one instance, filled by the parser before any subcommand's callback runs.
CommonOptions& common();

// A line on stderr, unless --quiet.
void talk(const std::string& line);

// Prints `document` as the result.
void print_json(const Json& document);

// What options of numbers are checked with; CLI11's own print the largest double with all digits.
[[nodiscard]] CLI::Validator not_negative();
[[nodiscard]] CLI::Validator positive();

// Each adds its subcommands; their callbacks do the work and throw Error.
void add_data_commands(CLI::App& app);
void add_config_commands(CLI::App& app);
void add_train_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_net_commands(CLI::App& app);
void add_forward_command(CLI::App& app);
void add_import_commands(CLI::App& app);
void add_import_solver_command(CLI::App& import);  // one of its subcommands
void add_export_commands(CLI::App& app);
void add_predict_command(CLI::App& app);
void add_model_commands(CLI::App& app);
void add_relevance_command(CLI::App& app);
void add_relevance_evaluate_command(CLI::App& relevance);
void add_bench_commands(CLI::App& app);
void add_bench_data_command(CLI::App& bench);  // its subcommands
void add_bench_kernels_command(CLI::App& bench);
void add_bench_compare_command(CLI::App& bench);
void add_devices_command(CLI::App& app);
void add_check_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_study_commands(CLI::App& app);

}  // namespace fovea::apps
