// `fovea train` as one of several ranks: what is settled before they start together.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/store.h"
#include "engine/core/json_fields.h"
#include "engine/parallel/choose_sum.h"
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

// What the devices of all ranks have in common: "cuda" of "cuda:1", where there are several.
[[nodiscard]] std::string common_device(const std::string& device, const Communicator& ranks);

// What adds up the gradients, on `device`, by the choice of --sum; none for one rank alone unless
// NCCL is asked for.
[[nodiscard]] ChosenSum sum_of_gradients(Communicator& ranks, Device& device,
                                         const std::string& choice, double timeout_s);

// Error on a rank that would train something else than rank 0: another config, other records, or
// with results that differ (`made_with`: threads, instruction set, ...).
void require_same_run(Communicator& ranks, const TrainConfig& config, const View& view,
                      const Json& made_with);

}  // namespace fovea::apps
