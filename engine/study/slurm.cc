#include "engine/study/slurm.h"

namespace fovea::study {

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string slurm_script(const Plan& plan, const std::filesystem::path& study,
                         const std::filesystem::path& program, const SlurmOptions& o) {
  const std::size_t jobs = jobs_of(plan).size();
  std::string script =
      str("#!/bin/bash\n"
          "#SBATCH --job-name=fovea-study\n"
          "#SBATCH --array=0-",
          jobs - 1, o.at_once > 0 ? str("%", o.at_once) : "",
          "\n#SBATCH --cpus-per-task=", plan.threads, "\n#SBATCH --mem=", o.memory,
          "\n#SBATCH --time=", o.time, "\n");
  if (o.gpus > 0) script += str("#SBATCH --gpus-per-task=", o.gpus, "\n");
  if (!o.partition.empty()) script += str("#SBATCH --partition=", o.partition, "\n");
  script +=
      str("#SBATCH --requeue\n"
          "#SBATCH --open-mode=append\n"
          "#SBATCH --signal=B:TERM@120\n"
          "#SBATCH --output=",
          shell_quoted((study / "slurm-%A_%a.log").string()), "\n\n");
  script += str("# ", jobs, " jobs: ", plan.models.size(), " models x ", plan.folds.size(),
                " folds. Every task may be stopped and started again at any time.\n");
  script += str("study=", shell_quoted(study.string()), "\nfovea=", shell_quoted(program.string()),
                "\n\n"
                "stopped=\n"
                "\"$fovea\" study run \"$study\" --only \"$SLURM_ARRAY_TASK_ID\" &\n"
                "worker=$!\n"
                "trap 'stopped=yes; kill -TERM $worker' TERM\n"
                "wait $worker\n"
                "code=$?\n"
                "if [ -n \"$stopped\" ]; then\n"
                "  wait $worker\n"
                "  scontrol requeue \"${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}\"\n"
                "  exit 0\n"
                "fi\n"
                "exit $code\n");
  return script;
}

}  // namespace fovea::study
