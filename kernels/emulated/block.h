// A running block: its threads as fibers, its barriers, its shared memory.
//
// Threads run one after the other, each until it waits (barrier, warp collective) or ends; the
// order between waits is the caller's choice, so that a missing barrier shows. When nobody can go
// on, the block is faulty: that is reported, never waited for.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/emulated/strand.h"
#include "kernels/emulated/thread.h"

namespace fovea::emulated {

// Fresh shared memory, and the destination of a copy under way: NaN as float32, bfloat16 and half,
// and a wild index.
inline constexpr std::uint32_t kPoison = 0xFFF5FFF5;
// What lies around arrays; no kernel computes this value, which is NaN as well.
inline constexpr std::uint32_t kRedZone = 0xFFF1FFF1;

enum class ThreadOrder : std::uint8_t { kForward, kReverse, kRandom };
struct Order {
  ThreadOrder kind = ThreadOrder::kForward;
  std::uint64_t seed = 0;
};

// What the blocks of a launch have in common.
struct Launch {
  std::string_view kernel;
  dim3 grid, block;
  std::size_t shared_bytes = 0;  // dynamic
  Order order;
  void (*body)(const void* arguments) = nullptr;  // runs the kernel for the current thread
  const void* arguments = nullptr;
};

// A copy that cp.async has issued and no wait has completed.
struct PendingCopy {
  std::byte* to;
  const std::byte* from;
  int bytes, source_bytes;  // the rest is filled with zeros
  int group;
};

// Values of one warp collective: published by every lane, results written by the last to arrive.
struct Exchange {
  static constexpr std::size_t kLaneBytes = 64;
  alignas(16) std::byte in[kWarpSize][kLaneBytes];
  alignas(16) std::byte out[kWarpSize][kLaneBytes];
};

struct Thread : ThreadContext {
  enum class State : std::uint8_t { kNotStarted, kReady, kAtBarrier, kInCollective, kEnded };
  State state = State::kNotStarted;
  Strand* strand = nullptr;
  std::source_location where;  // it waits there
  int predicate = 0;           // of the barrier
  std::vector<PendingCopy> copies;
  int open_group = 0;  // number of the cp.async group being filled
};

class Block {
 public:
  // Runs block `index` of `launch` to its end. Error (from fault()) when the kernel errs.
  void run(const Launch& launch, const uint3& index, std::uint64_t linear_index);

  // The rest is called by the running thread.
  static Block& current() { return *current_thread->owner; }
  static Thread& thread() { return static_cast<Thread&>(*current_thread); }
  [[nodiscard]] std::string_view kernel() const { return launch_->kernel; }

  struct BarrierResult {
    int count, all, any;  // of the threads' predicates
  };
  BarrierResult barrier(int predicate, std::source_location where);

  // All lanes of `mask` meet; the last one runs `combine`. Returns this lane's result, to be copied
  // at once.
  using Combine = void (*)(std::uint32_t mask, Exchange& exchange);
  const std::byte* collective(std::uint32_t mask, const void* value, std::size_t bytes,
                              Combine combine, std::source_location where);

  // Memory of the shared array that `key` stands for, the same for every thread of the block.
  std::byte* shared_array(const void* key, std::size_t bytes, const char* name);
  std::span<std::byte> dynamic_shared();
  // Faults unless [p, p + bytes) lies inside of one shared array.
  void require_shared(const void* p, std::size_t bytes, const char* what) const;

 private:
  struct Region {
    const void* key;
    std::byte* data;
    std::size_t bytes;
    const char* name;
  };
  // A warp collective that still waits for lanes.
  struct Meeting {
    unsigned warp;
    std::uint32_t mask, arrived, left;  // left: lanes that have not read their result
    Combine combine;
    std::source_location where;
    std::unique_ptr<Exchange> exchange;
  };

  void start(const uint3& index, std::uint64_t linear_index);
  void schedule();
  bool run_warp(unsigned warp);
  void resume(Thread& thread);
  void suspend(Thread& thread, Thread::State state, std::source_location where);
  void release_barrier();
  Meeting& join(Thread& thread, std::uint32_t mask, Combine combine, std::source_location where);
  [[noreturn]] void report_stuck();
  std::byte* allocate_shared(const void* key, std::size_t bytes, const char* name);
  void check_red_zones();
  void clear_shared();
  void abandon();
  void shuffle(std::vector<unsigned>& list);

  const Launch* launch_ = nullptr;
  StrandPool strands_;
  std::vector<Thread> threads_;
  std::vector<unsigned> warps_, lanes_;  // in the order in which they run
  std::unique_ptr<std::byte[]> arena_;
  std::size_t arena_used_ = 0, static_bytes_ = 0;
  std::vector<Region> regions_;
  std::vector<std::unique_ptr<Meeting>> meetings_, free_meetings_;
  std::size_t waiting_ = 0, ended_ = 0;  // threads at the barrier; threads that have ended
  BarrierResult barrier_result_{};
  std::uint64_t random_ = 0;
};

}  // namespace fovea::emulated
