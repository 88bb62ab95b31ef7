#include "data/verify.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "data/parallel.h"
#include "engine/core/error.h"

namespace fovea {

void verify_store(const Store& store, int threads,
                  const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  std::vector<std::uint32_t> damaged;
  std::mutex mutex;  // of damaged and progress
  std::atomic<std::int64_t> done{0};
  parallel_for(store.size(), threads, [&](std::int64_t i) {
    const auto number = static_cast<std::uint32_t>(i);
    const bool good = store.is_intact(number);
    const std::int64_t now = ++done;
    if (good && now % 1024 != 0 && now != store.size()) return;
    const std::lock_guard lock(mutex);
    if (!good) damaged.push_back(number);
    if (progress) progress(now, store.size());
  });
  std::sort(damaged.begin(), damaged.end());
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(damaged.size(), 5); ++i) {
    list +=
        str(i == 0 ? "" : ", ", "record ", damaged[i], " (", store.record(damaged[i]).source, ")");
  }
  require(damaged.empty(), "damaged records in ", store.path().string(), ": ", damaged.size(),
          " of ", store.size(), ": ", list, damaged.size() > 5 ? ", ..." : "",
          ", expected checksums as in the index");
  store.verify_layout();
}

}  // namespace fovea
