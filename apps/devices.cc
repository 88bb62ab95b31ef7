// `fovea devices`: what this build computes on, and why it does not on the rest.
#include <omp.h>

#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"
#include "kernels/nccl/ranks_sum.h"

namespace fovea::apps {
namespace {

std::string about(std::string_view device) {
  if (device == "cpu") return "oneDNN and own vectorised operations";
  if (device == "emulated") return "the CUDA kernels on this processor, every access checked";
  if (device == "cuda") return "the CUDA kernels on a GPU";
  if (device == "cudnn")
    return str(library_version(device), ", and the CUDA kernels for what they do not have");
  return "plain loops in double, for checking";
}

Json describe(std::string_view device) {
  std::vector<std::string_view> precisions;
  for (const Precision p : known_precisions(device)) precisions.push_back(enum_name(p));
  return {{"name", device},
          {"threads", device == "cpu" || device == "emulated" ? omp_get_max_threads() : 1},
          {"precisions", precisions},
          {"about", about(device)}};
}

void devices() {
  Json list = Json::array(), absent = Json::array();
  for (const std::string_view device : kAllDevices) {
    const std::string reason = missing_device(device);
    if (reason.empty()) {
      list.push_back(describe(device));
    } else {
      absent.push_back({{"name", device}, {"reason", reason}});
    }
  }
  const nccl::Offer sums = nccl::offer();
  if (common().json)
    return print_json({{"devices", list},
                       {"absent", absent},
                       {"nccl", {{"version", sums.version}, {"reason", sums.missing}}}});
  const auto print = [](const Json& device, const char* what) {
    std::cout << std::left << std::setw(12) << device["name"].get<std::string>()
              << device[what].get<std::string>() << '\n';
  };
  for (const Json& device : list) print(device, "about");
  for (const Json& device : absent) print(device, "reason");
  const std::string about = sums.version + ", sums of gradients from GPU to GPU";
  print({{"name", "nccl"}, {"about", sums.version.empty() ? sums.missing : about}}, "about");
}

}  // namespace

void add_devices_command(CLI::App& app) {
  CLI::App* c = app.add_subcommand("devices", "what this build computes on");
  c->footer("Example: fovea devices --json");
  c->callback([] { devices(); });
}

}  // namespace fovea::apps
