// `fovea train` as one of several ranks: what is settled before they start together.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/store.h"
#include "engine/core/json_fields.h"
#include "engine/parallel/communicator.h"
#include "engine/train/config.h"

namespace fovea::apps {

// Silences all ranks but the first, gives each of a machine a GPU of its own where --device asks
// for GPUs, and shares the cores among those of a machine unless --threads, OMP_NUM_THREADS or a
// launcher that binds has. Error when two ranks would be on one GPU.
void settle_rank(Communicator& ranks);

// A rank's part of data.batch. Error naming `file` where the batch does not divide.
[[nodiscard]] std::int64_t batch_of_rank(const TrainConfig& config, const Communicator& ranks,
                                         const std::string& file);

// Error on a rank that would train something else than rank 0: another config, other records, or
// with results that differ (`made_with`: threads, instruction set, ...).
void require_same_run(Communicator& ranks, const TrainConfig& config, const View& view,
                      const Json& made_with);

}  // namespace fovea::apps
