// `fovea data`: the group of subcommands that make and look into stores.
#include "apps/data.h"

#include "apps/common.h"

namespace fovea::apps {

void add_data_commands(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Make image stores and look into them");
  data->require_subcommand(1);
  data->footer("Example: fovea data inspect faces.fovea");
  add_data_synth_command(*data);
  add_data_adience_command(*data);
  add_data_import_commands(*data);
  add_data_compare_commands(*data);
  add_data_tool_commands(*data);
}

}  // namespace fovea::apps
