// `fovea data synth`: draws a labelled set of synthetic faces.
#include <iostream>
#include <memory>
#include <mutex>

#include "apps/common.h"
#include "apps/data.h"
#include "apps/progress.h"
#include "data/synth.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string out;
  synth::Options options;
};

void run(const Arguments& arguments) {
  synth::Options options = arguments.options;
  options.seed = common().seed, options.threads = common().threads, options.force = common().force;
  {
    Progress progress("drawing");
    std::mutex one_at_a_time;
    synth::write_faces(arguments.out, options, [&](std::int64_t done) {
      const std::lock_guard lock(one_at_a_time);
      progress.update(done, options.count);
    });
  }
  const std::int64_t subjects = synth::plan_faces(options).back().subject + 1;
  if (common().json) {
    Json document;
    document["out"] = arguments.out;
    document["faces"] = options.count;
    document["subjects"] = subjects;
    document["folds"] = options.folds;
    document["size"] = options.size;
    document["seed"] = options.seed;
    print_json(document);
    return;
  }
  std::cout << options.count << " faces of " << subjects << " subjects in " << options.folds
            << " folds, " << options.size << " x " << options.size << " pixels: " << arguments.out
            << '\n';
}

}  // namespace

void add_data_synth_command(CLI::App& data) {
  CLI::App* command = data.add_subcommand("synth", "Draw labelled synthetic faces");
  command->footer(
      "Writes the Adience layout (aligned/, fold_K_data.txt) and masks/ of the pixels that carry\n"
      "each label; age group and gender show in what is drawn. Equal seeds give equal bytes.\n\n"
      "Example: fovea data synth --out faces --count 2000 --size 128 --seed 1");
  auto arguments = std::make_shared<Arguments>();
  synth::Options& options = arguments->options;
  command->add_option("--out", arguments->out, "folder to write, new or empty")->required();
  command->add_option("--count", options.count, "number of faces")->capture_default_str();
  command->add_option("--size", options.size, "pixels per side")->capture_default_str();
  command->add_option("--folds", options.folds, "number of folds; subjects stay within one")
      ->capture_default_str();
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fovea::apps
