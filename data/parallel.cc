#include "data/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace fovea {

int thread_count(int threads) {
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void parallel_for(std::int64_t count, int threads, const std::function<void(std::int64_t)>& body) {
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;
  std::int64_t error_item = count;
  const auto work = [&] {
    while (!failed.load(std::memory_order_relaxed)) {
      const std::int64_t item = next.fetch_add(1, std::memory_order_relaxed);
      if (item >= count) return;
      try {
        body(item);
      } catch (...) {
        // Items are handed out in order, so everything below the lowest failing item has been
        // started and will report.
        const std::lock_guard lock(mutex);
        failed.store(true, std::memory_order_relaxed);
        if (item < error_item) error_item = item, error = std::current_exception();
      }
    }
  };
  const auto helpers = std::min<std::int64_t>(thread_count(threads), count) - 1;
  {
    std::vector<std::jthread> pool;
    for (std::int64_t i = 0; i < helpers; ++i) pool.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace fovea
