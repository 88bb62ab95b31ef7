// `fovea config`: a training config as it resolves, and the schema of config files.
#include "engine/train/config.h"
#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {

void add_config_commands(CLI::App& app) {
  CLI::App* config = app.add_subcommand("config", "training configs: show, schema");
  config->require_subcommand(1);
  config->footer("Example: fovea config show configs/demo.json");
  struct Arguments {
    std::string file;
    std::vector<std::string> settings;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* show = config->add_subcommand("show", "the resolved configuration as JSON");
  show->add_option("CONFIG", a->file, "training config (configs/*.json)")->required();
  show->add_option("--set", a->settings, "key=value over the config: variant=early");
  show->footer("Example: fovea config show configs/age_fromscratch_googlenet.json");
  show->callback([a] {
    const TrainConfig resolved = load_config(a->file, a->settings);
    (void)resolve_net(resolved.net);
    print_json(write_json(resolved));
  });
  CLI::App* schema = config->add_subcommand("schema", "JSON Schema of a config file, for editors");
  schema->footer("Example: fovea config schema > config.schema.json");
  schema->callback([] { print_json(config_schema()); });
}

}  // namespace fovea::apps
