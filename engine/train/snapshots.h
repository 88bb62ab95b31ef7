// The snapshots of a run's folder: iter_<N>.safetensors (weights and everything a model needs) with
// iter_<N>.state (what else resuming needs). Only a pair counts. A run that averages its weights
// also has ema_<N>.safetensors, a model like the other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace fovea {

[[nodiscard]] std::filesystem::path snapshot_path(const std::filesystem::path& folder,
                                                  std::int64_t iteration, const char* extension);

// Iterations of the weights in a folder, with and without their state, ascending.
[[nodiscard]] std::vector<std::int64_t> snapshot_iterations(const std::filesystem::path& folder);

// The newest iteration of which weights and state are both there; -1 = none.
[[nodiscard]] std::int64_t newest_snapshot(const std::filesystem::path& folder);

[[nodiscard]] std::filesystem::path average_path(const std::filesystem::path& folder,
                                                 std::int64_t iteration);

// Weights of the best evaluation, where the run keeps them.
[[nodiscard]] std::filesystem::path best_path(const std::filesystem::path& folder);

// Error when there is one: a new run would mix its snapshots with those of another.
void require_no_snapshots(const std::filesystem::path& folder);

// Removes all that a run's snapshots left in the folder.
void remove_snapshots(const std::filesystem::path& folder);

// Removes snapshots, and halves of them, in front of the `count` newest pairs.
void keep_newest_snapshots(const std::filesystem::path& folder, std::int64_t count);

// Removes what a killed process was just writing.
void remove_unfinished_snapshots(const std::filesystem::path& folder);

}  // namespace fovea
