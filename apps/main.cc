// The `fovea` command: parses, calls one subcommand, turns an Error into one line and exit code 1.
#include <omp.h>

#include <iostream>

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

namespace {

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

CLI::Validator not_negative() {
  return number_check([](double x) { return x >= 0; }, "a number that is not negative", ">= 0");
}

CLI::Validator positive() {
  return number_check([](double x) { return x > 0; }, "a number above 0", "> 0");
}

namespace {

void add_common_options(CLI::App& app) {
  CommonOptions& o = common();
  app.add_option("--device", o.device, "auto | cpu | reference | emulated | cuda[:N] | cudnn[:N]")
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

// An error may quote what a file holds: control bytes as \xNN, so that it stays one line and the
// terminal as it is.
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
    return app.exit(error) == 0 ? 0 : 2;
  }
}

}  // namespace

int run_and_report(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "fovea: error: " << printable(error.what()) << '\n';
    return 1;
  }
}

}  // namespace fovea::apps

int main(int argc, char** argv) { return fovea::apps::run_and_report(argc, argv); }
