// `fovea study`: many models on many folds, from training to the result table.
#include "apps/study.h"

#include "apps/common.h"

namespace fovea::apps {

void add_study_commands(CLI::App& app) {
  CLI::App* study = app.add_subcommand(
      "study", "many models on many folds: run, status, score, plots, report, emit-slurm");
  study->require_subcommand(1);
  study->footer("Example: fovea study run runs/study --data faces.fovea");
  add_study_run_command(*study, app);
  add_study_status_command(*study);
  add_study_score_command(*study);
  add_study_plots_command(*study);
  add_study_report_command(*study);
  add_study_slurm_command(*study);
}

}  // namespace fovea::apps
