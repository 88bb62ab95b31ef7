// `fovea devices`: what this build computes on.
#include <omp.h>

#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

const char* about(std::string_view device) {
  if (device == "cpu") return "oneDNN and own vectorised operations";
  if (device == "emulated") return "the CUDA kernels on this processor, every access checked";
  if (device == "cuda") return "the CUDA kernels on a GPU";
  return "plain loops in double, for checking";
}

void devices() {
  Json list = Json::array();
  for (const std::string_view device : known_devices()) {
    std::vector<std::string_view> precisions;
    for (const Precision p : known_precisions(device)) precisions.push_back(enum_name(p));
    list.push_back(
        {{"name", device},
         {"threads", device == "cpu" || device == "emulated" ? omp_get_max_threads() : 1},
         {"precisions", precisions},
         {"about", about(device)}});
  }
  if (common().json) return print_json({{"devices", list}});
  for (const Json& d : list)
    std::cout << std::left << std::setw(12) << d["name"].get<std::string>()
              << d["about"].get<std::string>() << '\n';
}

}  // namespace

void add_devices_command(CLI::App& app) {
  app.add_subcommand("devices", "what this build computes on")->callback([] { devices(); });
}

}  // namespace fovea::apps
