// The `fovea` command: parses, calls one subcommand, turns an Error into one line and exit code 1.
#include <omp.h>

#include <filesystem>
#include <iostream>

#include "apps/command_line.h"
#include "apps/common.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {

CommonOptions& common() {
  static CommonOptions options;
  return options;
}

void talk(const std::string& line) {
  if (!common().quiet) std::cerr << line << '\n';
}

void print_json(const Json& document) { std::cout << document.dump(2) << '\n'; }

void print_written(const std::vector<std::filesystem::path>& files) {
  if (!common().json) return;
  Json names = Json::array();
  for (const auto& file : files) names.push_back(file.string());
  print_json({{"files", names}});
}

namespace {

void add_common_options(CLI::App& app) {
  CommonOptions& o = common();
  app.add_option("--device", o.device, "auto | cpu | reference | emulated | cuda[:N] | cudnn[:N]")
      ->check(CLI::Validator(unknown_device, ""))
      ->capture_default_str()
      ->group("Everywhere");
  app.add_option("--engine", o.engine,
                 "ordered (the fixed list, best first) | own | library | auto (the fastest "
                 "here, measured once and kept in the cache folder)")
      ->check(CLI::IsMember({"ordered", "own", "library", "auto"}))
      ->capture_default_str()
      ->group("Everywhere");
  app.add_option("--precision", o.precision, "fp32 | tf32 | bf16")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->capture_default_str()
      ->group("Everywhere");
  app.add_option("--threads", o.threads, "worker threads, 0 = every core")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str()
      ->group("Everywhere");
  app.add_option("--seed", o.seed, "seed of every random number")
      ->capture_default_str()
      ->group("Everywhere");
  app.add_flag("--json", o.json, "stdout is one JSON document")->group("Everywhere");
  app.add_flag("--quiet", o.quiet, "nothing on stderr but errors")->group("Everywhere");
  app.add_flag("--force", o.force, "overwrite existing outputs")->group("Everywhere");
}

int run(int argc, char** argv) {
  CLI::App app{"Fovea: train, evaluate and explain face classifiers.", "fovea"};
  app.set_version_flag("--version", FOVEA_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  add_common_options(app);
  add_data_commands(app);
  add_config_commands(app);
  add_train_command(app);
  add_eval_command(app);
  add_predict_command(app);
  add_model_commands(app);
  add_relevance_command(app);
  add_net_commands(app);
  add_forward_command(app);
  add_import_commands(app);
  add_export_commands(app);
  add_bench_commands(app);
  add_report_command(app);
  add_study_commands(app);
  add_devices_command(app);
  add_check_command(app);
  app.parse_complete_callback([] {
    if (common().threads > 0) omp_set_num_threads(common().threads);
  });
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::cerr << "fovea: error: " << printable(what_is_wrong(app, error)) << '\n';
    return 2;
  }
}

}  // namespace

int run_and_report(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    std::cout.flush();
    require(code != 0 || std::cout.good(), "cannot write the result to standard output");
    return code;
  } catch (const std::filesystem::filesystem_error& error) {
    std::cerr << "fovea: error: cannot use " << printable(error.path1().string()) << ": "
              << error.code().message() << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "fovea: error: " << printable(error.what()) << '\n';
    return 1;
  }
}

}  // namespace fovea::apps

int main(int argc, char** argv) { return fovea::apps::run_and_report(argc, argv); }
