// The subcommands of `fovea study`, each in a file of its own.
#pragma once

#include <CLI/CLI.hpp>

namespace fovea::apps {

void add_study_run_command(CLI::App& study, CLI::App& app);
void add_study_status_command(CLI::App& study);
void add_study_slurm_command(CLI::App& study);
void add_study_score_command(CLI::App& study);
void add_study_plots_command(CLI::App& study);
void add_study_report_command(CLI::App& study);

}  // namespace fovea::apps
