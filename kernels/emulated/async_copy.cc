#include "kernels/emulated/async_copy.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace fovea::emulated {
namespace {

void apply(const PendingCopy& copy) {
  std::memcpy(copy.to, copy.from, static_cast<std::size_t>(copy.source_bytes));
  std::memset(copy.to + copy.source_bytes, 0,
              static_cast<std::size_t>(copy.bytes - copy.source_bytes));
}

// Completes every group up to number `last`.
void complete(int last) {
  std::vector<PendingCopy>& copies = Block::thread().copies;
  const auto rest = std::ranges::find_if(copies, [&](const auto& c) { return c.group > last; });
  std::for_each(copies.begin(), rest, apply);
  copies.erase(copies.begin(), rest);
}

}  // namespace

void issue_async_copy(void* shared, const void* global, int bytes, int source_bytes) {
  const auto misaligned = [&](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % static_cast<std::uintptr_t>(bytes) != 0;
  };
  if (misaligned(shared) || (source_bytes > 0 && misaligned(global)))
    fault(str("cp.async of ", bytes, " bytes at an address that is no multiple of it"));
  if (source_bytes < 0 || source_bytes > bytes)
    fault(str("cp.async of ", bytes, " bytes that reads ", source_bytes));
  Block::current().require_shared(shared, static_cast<std::size_t>(bytes), "cp.async");
  for (int at = 0; at < bytes; at += 4)
    std::memcpy(static_cast<std::byte*>(shared) + at, &kPoison, sizeof kPoison);
  Thread& thread = Block::thread();
  thread.copies.push_back({static_cast<std::byte*>(shared), static_cast<const std::byte*>(global),
                           bytes, source_bytes, thread.open_group});
}

void async_copy_commit() { ++Block::thread().open_group; }
void async_copy_wait_groups(int left) { complete(Block::thread().open_group - 1 - left); }
void async_copy_wait_all() { complete(std::numeric_limits<int>::max()); }

}  // namespace fovea::emulated
