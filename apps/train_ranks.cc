#include "apps/train_ranks.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/backend/registry.h"
#include "engine/core/crc32c.h"
#include "engine/parallel/rank_device.h"

namespace fovea::apps {

namespace {

// The GPU of this rank, named before any is opened: a context on another's costs memory there.
void settle_device(Communicator& ranks) {
  std::string& device = common().device;
  const int gpus = gpu_count();
  const auto of_rank = [&](const std::string& name) {
    return device_of_rank(name, ranks.rank_on_this_machine(), gpus);
  };
  if (device == "auto")
    device = gpus > 0 && missing_device(of_rank("cuda")).empty() ? "cuda" : "cpu";
  device = of_rank(device);
  const std::shared_ptr<Device> opened = open_device(resolve_device());
  require_a_gpu_each(ranks, device, gpu_unit(*opened));
}

}  // namespace

void settle_rank(Communicator& ranks) {
  if (ranks.size() == 1) return;
  if (!ranks.first()) common().quiet = true;
  settle_device(ranks);
  // Bound to some of the cores: the launcher has shared them.
  const int mine = omp_get_num_procs();
  const bool bound = mine < static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  if (common().threads > 0 || bound || std::getenv("OMP_NUM_THREADS")) return;
  omp_set_num_threads(std::max(1, mine / ranks.ranks_on_this_machine()));
}

std::int64_t batch_of_rank(const TrainConfig& config, const Communicator& ranks,
                           const std::string& file) {
  require(config.data.batch % ranks.size() == 0, "wrong value in ", file,
          ".data.batch: ", config.data.batch, " images for ", ranks.size(),
          " ranks, expected a multiple of ", ranks.size());
  return config.data.batch / ranks.size();
}

std::string common_device(const std::string& device, const Communicator& ranks) {
  return ranks.size() > 1 ? device_without_number(device) : device;
}

ChosenSum sum_of_gradients(Communicator& ranks, Device& device, const std::string& choice,
                           double timeout_s) {
  SumOptions options{.gpu = !gpu_unit(device).empty(), .timeout_s = timeout_s};
  read_json(Json(choice), options.choice, "--sum");
  return choose_sum(ranks, device, options);
}

void require_same_run(Communicator& ranks, const TrainConfig& config, const View& view,
                      const Json& made_with) {
  if (ranks.size() == 1) return;
  const std::string resolved = write_json(config).dump();
  ranks.require_same(str("checksum ", crc32c(resolved.data(), resolved.size())), "config");
  ranks.require_same(str(view.name, ", ", view.records.size(), " records, checksum ",
                         crc32c(view.records.data(), std::span(view.records).size_bytes())),
                     "training view");
  ranks.require_same(made_with.dump(), "computation");
}

}  // namespace fovea::apps
