#include "kernels/emulated/launch.h"

#include <omp.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <exception>

#include "kernels/emulated/memory.h"

namespace fovea::emulated {
namespace {

// A thousand stacks per host thread and two mappings per stack: more would come near the kernel's
// limit on mappings (65530).
constexpr int kMaxHostThreads = 16;

Order order_from_environment() {
  const char* value = std::getenv("FOVEA_EMULATED_ORDER");
  const std::string_view text = value ? value : "forward";
  if (text == "forward") return {};
  if (text == "reverse") return {.kind = ThreadOrder::kReverse};
  Order order{.kind = ThreadOrder::kRandom};
  const std::string_view seed = text.starts_with("random:") ? text.substr(7) : "0";
  const auto parsed = std::from_chars(seed.data(), seed.data() + seed.size(), order.seed);
  require((text == "random" || text.starts_with("random:")) && parsed.ec == std::errc{} &&
              parsed.ptr == seed.data() + seed.size(),
          "wrong value of FOVEA_EMULATED_ORDER: '", text,
          "', expected forward | reverse | random[:SEED]");
  return order;
}

Order& current_order() {
  static Order order = order_from_environment();
  return order;
}

std::size_t shared_limit = 227 << 10;

void check_shape(const Launch& launch) {
  const auto fits = [](const dim3& d, unsigned x, unsigned y, unsigned z) {
    return d.x >= 1 && d.y >= 1 && d.z >= 1 && d.x <= x && d.y <= y && d.z <= z;
  };
  const dim3& b = launch.block;
  require(fits(launch.grid, 0x7FFFFFFF, 65535, 65535), "kernel ", launch.kernel, ": a grid of ",
          launch.grid.x, " x ", launch.grid.y, " x ", launch.grid.z,
          " blocks, expected 1 to 2147483647 x 65535 x 65535");
  require(fits(b, 1024, 1024, 64) && b.x * b.y * b.z <= 1024, "kernel ", launch.kernel,
          ": a block of ", b.x, " x ", b.y, " x ", b.z, " threads, expected 1 to 1024 in all");
  require(launch.shared_bytes <= shared_limit, "kernel ", launch.kernel, ": ", launch.shared_bytes,
          " bytes of dynamic shared memory, expected at most ", shared_limit);
}

// The block that runs at place `i`: order between blocks must not matter either.
std::uint64_t block_at(std::uint64_t i, std::uint64_t count, const Order& order) {
  if (order.kind == ThreadOrder::kForward) return i;
  if (order.kind == ThreadOrder::kReverse) return count - 1 - i;
  return (i + order.seed * 7919) % count;
}

}  // namespace

Order thread_order() { return current_order(); }
ThreadOrderScope::ThreadOrderScope(Order order) : previous_(current_order()) {
  current_order() = order;
}
ThreadOrderScope::~ThreadOrderScope() { current_order() = previous_; }

std::size_t most_shared(Stream) { return shared_limit; }
SharedLimitScope::SharedLimitScope(std::size_t bytes) : previous_(shared_limit) {
  shared_limit = bytes;
}
SharedLimitScope::~SharedLimitScope() { shared_limit = previous_; }

void run_launch(const Launch& launch) {
  check_shape(launch);
  const dim3 grid = launch.grid;
  const auto blocks = std::int64_t{grid.x} * grid.y * grid.z;
  const int threads = static_cast<int>(
      std::min<std::int64_t>(blocks, std::min(omp_get_max_threads(), kMaxHostThreads)));
  std::atomic<bool> failed = false;
  std::exception_ptr error;
#pragma omp parallel num_threads(threads)
  {
    static thread_local Block block;
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t i = 0; i < blocks; ++i) {
      if (failed.load(std::memory_order_relaxed)) continue;
      const std::uint64_t at =
          block_at(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(blocks), launch.order);
      const auto x = static_cast<unsigned>(at % grid.x),
                 y = static_cast<unsigned>(at / grid.x % grid.y),
                 z = static_cast<unsigned>(at / grid.x / grid.y);
      try {
        block.run(launch, {x, y, z}, at);
      } catch (...) {
#pragma omp critical(fovea_emulated_error)
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
  check_global(launch.kernel);
}

}  // namespace fovea::emulated
