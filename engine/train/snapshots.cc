#include "engine/train/snapshots.h"

#include <algorithm>

#include "engine/core/error.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// Iteration of "<prefix><N><extension>"; -1 for any other name.
std::int64_t iteration_of(const fs::path& file, const std::string& prefix,
                          const std::string& extension) {
  const std::string name = file.filename().string();
  if (!name.starts_with(prefix) || !name.ends_with(extension) ||
      name.size() <= prefix.size() + extension.size())
    return -1;
  const std::string digits =
      name.substr(prefix.size(), name.size() - prefix.size() - extension.size());
  const bool number = digits.size() < 19 && digits.find_first_not_of("0123456789") == digits.npos;
  return number ? std::stoll(digits) : -1;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) files.push_back(entry.path());
  return files;
}

// Iterations of the pairs, ascending.
std::vector<std::int64_t> pairs_of(const fs::path& folder) {
  std::vector<std::int64_t> pairs = snapshot_iterations(folder);
  std::erase_if(pairs, [&](std::int64_t iteration) {
    return !fs::exists(snapshot_path(folder, iteration, ".state"));
  });
  return pairs;
}

}  // namespace

fs::path snapshot_path(const fs::path& folder, std::int64_t iteration, const char* extension) {
  return folder / str("iter_", iteration, extension);
}

fs::path average_path(const fs::path& folder, std::int64_t iteration) {
  return folder / str("ema_", iteration, ".safetensors");
}

std::vector<std::int64_t> snapshot_iterations(const fs::path& folder) {
  std::vector<std::int64_t> iterations;
  for (const fs::path& file : files_of(folder)) {
    const std::int64_t iteration = iteration_of(file, "iter_", ".safetensors");
    if (iteration >= 0) iterations.push_back(iteration);
  }
  std::ranges::sort(iterations);
  return iterations;
}

fs::path best_path(const fs::path& folder) { return folder / "best.safetensors"; }

std::int64_t newest_snapshot(const fs::path& folder) {
  const auto pairs = pairs_of(folder);
  return pairs.empty() ? -1 : pairs.back();
}

void require_no_snapshots(const fs::path& folder) {
  require(newest_snapshot(folder) < 0, "output exists: ", folder.string(),
          ": it holds snapshots, expected a new folder (or --resume, or --force)");
}

void remove_snapshots(const fs::path& folder) {
  for (const fs::path& file : files_of(folder)) {
    const std::string name = file.filename().string();
    if (name.starts_with("iter_") || name.starts_with("ema_") || file == best_path(folder))
      fs::remove(file);
  }
}

void keep_newest_snapshots(const fs::path& folder, std::int64_t count) {
  const auto pairs = pairs_of(folder);
  if (std::ssize(pairs) < count) return;
  const std::int64_t oldest = pairs[pairs.size() - static_cast<std::size_t>(count)];
  for (const fs::path& file : files_of(folder)) {
    const std::int64_t iteration = std::max({iteration_of(file, "iter_", ".safetensors"),
                                             iteration_of(file, "iter_", ".state"),
                                             iteration_of(file, "ema_", ".safetensors")});
    if (iteration >= 0 && iteration < oldest) fs::remove(file);
  }
}

void remove_unfinished_snapshots(const fs::path& folder) {
  for (const fs::path& file : files_of(folder)) {
    const std::string name = file.filename().string();
    const bool snapshot =
        name.starts_with("iter_") || name.starts_with("ema_") || name.starts_with("best.");
    if (snapshot && name.find(".tmp") != std::string::npos) fs::remove(file);
  }
}

}  // namespace fovea
