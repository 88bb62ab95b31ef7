#include "apps/train_ranks.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/backend/registry.h"
#include "engine/core/crc32c.h"

namespace fovea::apps {

void settle_rank(const Communicator& ranks) {
  if (ranks.size() == 1) return;
  if (!ranks.first()) common().quiet = true;
  const std::string device = resolve_device();
  require(open_device(device)->host_memory(), "device ", device, " with ", ranks.size(),
          " ranks, expected --device cpu: training by several processes is for the CPU");
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
