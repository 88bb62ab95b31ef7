#include "kernels/emulated/block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "kernels/emulated/sanitizer.h"

namespace fovea::emulated {

constinit thread_local ThreadContext* current_thread = nullptr;

namespace {

// Limits of sm_90; sm_80 allows 163 KB of dynamic shared memory.
constexpr std::size_t kMaxStaticShared = 48 << 10, kMaxShared = 227 << 10;
constexpr std::size_t kZoneBytes = 256, kMaxArrays = 64;
constexpr std::size_t kArenaBytes = kMaxShared + (kMaxArrays + 1) * 2 * kZoneBytes;

std::string text(const uint3& at) { return str("(", at.x, ",", at.y, ",", at.z, ")"); }

void fill(std::byte* data, std::size_t bytes, std::uint32_t pattern) {
  std::uint32_t words[kZoneBytes / 4];
  std::ranges::fill(words, pattern);
  for (std::size_t at = 0; at < bytes; at += sizeof words)
    std::memcpy(data + at, words, std::min(bytes - at, sizeof words));
}

// Whether every byte of a red zone is as it was written; zones start on multiples of their pattern.
bool intact(const std::byte* zone) {
  std::uint32_t words[kZoneBytes / 4];
  std::memcpy(words, zone, sizeof words);
  return std::ranges::all_of(words, [](std::uint32_t word) { return word == kRedZone; });
}

constexpr std::size_t rounded(std::size_t bytes) { return (bytes + 127) / 128 * 128; }

// Between an array and the zone behind it, up to the next multiple of 128 bytes, lies more red
// zone.
bool tail_intact(const std::byte* data, std::size_t bytes) {
  const std::uint32_t pattern = kRedZone;
  for (std::size_t at = bytes; at < rounded(bytes); ++at) {
    if (std::memcmp(data + at, reinterpret_cast<const std::byte*>(&pattern) + at % 4, 1) != 0)
      return false;
  }
  return true;
}

}  // namespace

std::string place(std::source_location where) {
  const std::string_view file = where.file_name();
  return str(file.substr(file.rfind('/') + 1), ":", where.line());
}

void fault(const std::string& what) {
  const ThreadContext& t = this_thread();
  throw Error(str("kernel ", t.owner->kernel(), ": ", what, ", block ", text(t.block), ", thread ",
                  text(t.thread)));
}
void fault(const std::string& what, std::source_location where) {
  fault(str(what, " at ", place(where)));
}

void Block::run(const Launch& launch, const uint3& index, std::uint64_t linear_index) {
  launch_ = &launch;
  start(index, linear_index);
  try {
    if (launch.shared_bytes > 0) allocate_shared(nullptr, launch.shared_bytes, "dynamic memory");
    schedule();
    current_thread = &threads_[0];
    check_red_zones();
  } catch (...) {
    abandon();
    clear_shared();
    current_thread = nullptr;
    throw;
  }
  clear_shared();
  current_thread = nullptr;
}

void Block::start(const uint3& index, std::uint64_t linear_index) {
  const dim3 size = launch_->block;
  const unsigned count = size.x * size.y * size.z;
  threads_.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    Thread& t = threads_[i];
    t.thread = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    t.block = index, t.block_dim = size, t.grid_dim = launch_->grid;
    t.index = i, t.owner = this;
    t.state = Thread::State::kNotStarted, t.strand = nullptr;
    t.copies.clear(), t.open_group = 0;
  }
  warps_.resize((count + kWarpSize - 1) / kWarpSize), lanes_.resize(kWarpSize);
  std::iota(warps_.begin(), warps_.end(), 0U), std::iota(lanes_.begin(), lanes_.end(), 0U);
  if (launch_->order.kind == ThreadOrder::kReverse)
    std::ranges::reverse(warps_), std::ranges::reverse(lanes_);
  random_ =
      (launch_->order.seed + 1) * 0x9E3779B97F4A7C15 ^ (linear_index + 1) * 0xBF58476D1CE4E5B9;
  waiting_ = ended_ = 0;
  if (!arena_) arena_ = std::make_unique_for_overwrite<std::byte[]>(kArenaBytes + 128);
  current_thread = &threads_[0];
}

void Block::schedule() {
  const bool random = launch_->order.kind == ThreadOrder::kRandom;
  while (ended_ < threads_.size()) {
    if (random) shuffle(warps_), shuffle(lanes_);
    bool progress = false;
    for (const unsigned warp : warps_) {
      bool more = run_warp(warp);
      progress |= more;
      // A warp that can go on after a collective does so while its stacks are warm; in random
      // order the other warps come in between.
      while (more && !random) more = run_warp(warp);
    }
    if (!progress) report_stuck();
  }
}

bool Block::run_warp(unsigned warp) {
  bool any = false;
  for (const unsigned lane : lanes_) {
    const std::size_t i = std::size_t{warp} * kWarpSize + lane;
    if (i >= threads_.size()) continue;
    Thread& thread = threads_[i];
    if (thread.state != Thread::State::kReady && thread.state != Thread::State::kNotStarted)
      continue;
    resume(thread);
    any = true;
  }
  return any;
}

void Block::resume(Thread& thread) {
  current_thread = &thread;
  if (!thread.strand) {
    thread.strand = strands_.take();
    thread.strand->assign(
        [](void* launch) {
          const auto& l = *static_cast<const Launch*>(launch);
          l.body(l.arguments);
        },
        const_cast<Launch*>(launch_));
  }
  thread.strand->resume();
  if (!thread.strand->idle()) return;
  const std::exception_ptr error = thread.strand->take_error();
  strands_.give_back(thread.strand);
  thread.strand = nullptr;
  thread.state = Thread::State::kEnded;
  ++ended_;
  if (error) std::rethrow_exception(error);
}

void Block::suspend(Thread& thread, Thread::State state, std::source_location where) {
  thread.state = state;
  thread.where = where;
  thread.strand->suspend();
}

Block::BarrierResult Block::barrier(int predicate, std::source_location where) {
  Thread& self = thread();
  self.predicate = predicate;
  self.state = Thread::State::kAtBarrier;
  self.where = where;
  if (++waiting_ == threads_.size()) release_barrier();
  self.strand->suspend();
  return barrier_result_;
}

void Block::release_barrier() {
  const std::source_location where = thread().where;
  BarrierResult result{0, 1, 0};
  for (Thread& t : threads_) {
    if (t.where.line() != where.line() || t.where.file_name() != where.file_name()) {
      fault(str("divergent barrier: this thread waits at ", place(where), ", thread ",
                text(t.thread), " at ", place(t.where)));
    }
    result.count += t.predicate != 0;
    result.all &= t.predicate != 0;
    result.any |= t.predicate != 0;
    t.state = Thread::State::kReady;
  }
  barrier_result_ = result;
  waiting_ = 0;
  check_red_zones();
}

Block::Meeting& Block::join(Thread& thread, std::uint32_t mask, Combine combine,
                            std::source_location where) {
  const unsigned warp = thread.index / kWarpSize;
  for (const auto& m : meetings_) {
    const bool waits = (m->arrived & m->mask) != m->mask;
    if (waits && m->warp == warp && m->mask == mask && m->combine == combine &&
        m->where.line() == where.line())
      return *m;
  }
  if (free_meetings_.empty()) {
    free_meetings_.push_back(std::make_unique<Meeting>());
    free_meetings_.back()->exchange = std::make_unique<Exchange>();
  }
  meetings_.push_back(std::move(free_meetings_.back()));
  free_meetings_.pop_back();
  Meeting& m = *meetings_.back();
  m.warp = warp, m.mask = m.left = mask, m.arrived = 0, m.combine = combine, m.where = where;
  return m;
}

const std::byte* Block::collective(std::uint32_t mask, const void* value, std::size_t bytes,
                                   Combine combine, std::source_location where) {
  Thread& self = thread();
  const unsigned lane = self.lane(), first = self.index - lane;
  if ((mask >> lane & 1) == 0) fault("a warp collective whose mask leaves out the caller", where);
  if (first + (kWarpSize - static_cast<unsigned>(std::countl_zero(mask))) > threads_.size())
    fault("a warp collective whose mask names lanes that the block does not have", where);
  Meeting& m = join(self, mask, combine, where);
  std::memcpy(m.exchange->in[lane], value, bytes);
  m.arrived |= 1U << lane;
  if (m.arrived == mask) {
    combine(mask, *m.exchange);
    for (unsigned i = 0; i < kWarpSize; ++i) {
      if (mask >> i & 1) threads_[first + i].state = Thread::State::kReady;
    }
    self.strand->suspend();
  } else {
    suspend(self, Thread::State::kInCollective, where);
  }
  m.left &= ~(1U << lane);
  const std::byte* result = m.exchange->out[lane];
  if (m.left == 0) {
    const auto at = std::ranges::find_if(meetings_, [&](const auto& p) { return p.get() == &m; });
    free_meetings_.push_back(std::move(*at));
    meetings_.erase(at);
  }
  return result;
}

void Block::report_stuck() {
  const auto in = [&](Thread::State state) {
    return std::ranges::find(threads_, state, &Thread::state);
  };
  const auto waits = in(Thread::State::kAtBarrier), ended = in(Thread::State::kEnded),
             meets = in(Thread::State::kInCollective);
  if (waits == threads_.end()) {
    current_thread = &*meets;
    fault("a warp collective that other lanes of its mask do not reach", meets->where);
  }
  current_thread = &*waits;
  if (meets != threads_.end()) {
    fault(str("barrier at ", place(waits->where), " not reached by thread ", text(meets->thread),
              ", which waits for its warp at ", place(meets->where)));
  }
  fault(str("barrier at ", place(waits->where), " not reached by thread ", text(ended->thread),
            ", which has ended"));
}

std::byte* Block::shared_array(const void* key, std::size_t bytes, const char* name) {
  for (const Region& region : regions_) {
    if (region.key == key) return region.data;
  }
  static_bytes_ += bytes;
  if (static_bytes_ > kMaxStaticShared)
    fault(
        str(static_bytes_, " bytes of static shared memory, expected at most ", kMaxStaticShared));
  return allocate_shared(key, bytes, name);
}

std::span<std::byte> Block::dynamic_shared() {
  if (regions_.empty() || regions_[0].key) fault("dynamic shared memory that the launch lacks");
  return {regions_[0].data, regions_[0].bytes};
}

std::byte* Block::allocate_shared(const void* key, std::size_t bytes, const char* name) {
  if (launch_->shared_bytes + static_bytes_ > kMaxShared)
    fault(str(launch_->shared_bytes + static_bytes_, " bytes of shared memory, expected at most ",
              kMaxShared));
  if (regions_.size() == kMaxArrays) fault(str("more than ", kMaxArrays, " shared arrays"));
  const auto unaligned = reinterpret_cast<std::uintptr_t>(arena_.get()) % 128;
  std::byte* data = arena_.get() + (128 - unaligned) + arena_used_ + kZoneBytes;
  fill(data - kZoneBytes, kZoneBytes, kRedZone);
  fill(data, bytes, kPoison);
  const std::uint32_t pattern = kRedZone;
  for (std::size_t at = bytes; at < rounded(bytes); ++at)
    data[at] = reinterpret_cast<const std::byte*>(&pattern)[at % 4];
  fill(data + rounded(bytes), kZoneBytes, kRedZone);
  sanitizer::forbid(data - kZoneBytes, kZoneBytes);
  sanitizer::forbid(data + bytes, rounded(bytes) - bytes + kZoneBytes);
  arena_used_ += rounded(bytes) + 2 * kZoneBytes;
  regions_.push_back({key, data, bytes, name});
  return data;
}

void Block::check_red_zones() {
  if (kAddressSanitizer) return;  // which has caught every access already
  for (const Region& region : regions_) {
    if (!intact(region.data - kZoneBytes))
      fault(str("shared memory written in front of ", region.name));
    if (!tail_intact(region.data, region.bytes) || !intact(region.data + rounded(region.bytes)))
      fault(str("shared memory written behind ", region.name));
  }
}

void Block::clear_shared() {
  sanitizer::allow(arena_.get(), kArenaBytes);
  arena_used_ = static_bytes_ = 0;
  regions_.clear();
}

void Block::require_shared(const void* p, std::size_t bytes, const char* what) const {
  const auto* at = static_cast<const std::byte*>(p);
  const bool inside = std::ranges::any_of(regions_, [&](const Region& region) {
    return at >= region.data && at + bytes <= region.data + region.bytes;
  });
  if (!inside) fault(str(what, " outside of every shared array"));
}

// Unwinds what still waits, so that its strands can be used again.
void Block::abandon() {
  for (Thread& thread : threads_) {
    if (!thread.strand) continue;
    current_thread = &thread;
    thread.strand->abandon();
    strands_.give_back(thread.strand);
    thread.strand = nullptr;
  }
  for (auto& m : meetings_) free_meetings_.push_back(std::move(m));
  meetings_.clear();
}

void Block::shuffle(std::vector<unsigned>& list) {
  for (std::size_t i = list.size(); i > 1; --i) {
    random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;  // xorshift64
    std::swap(list[i - 1], list[random_ % i]);
  }
}

}  // namespace fovea::emulated
