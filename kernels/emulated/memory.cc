#include "kernels/emulated/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "engine/core/error.h"
#include "kernels/emulated/block.h"
#include "kernels/emulated/sanitizer.h"

namespace fovea::emulated {
namespace {

constexpr std::size_t kAlign = 256, kGuard = 1024;

std::byte pattern_byte(std::size_t at, std::uint32_t pattern) {
  return static_cast<std::byte>(pattern >> at % 4 * 8);
}
void fill(std::byte* data, std::size_t bytes, std::uint32_t pattern) {
  for (std::size_t at = 0; at < bytes; ++at) data[at] = pattern_byte(at, pattern);
}

struct Region {
  std::byte* data;
  std::size_t bytes;

  [[nodiscard]] std::byte* front() const { return data - kGuard; }
  [[nodiscard]] std::byte* back() const { return data + bytes; }
  // Guards grow from the buffer's ends, so that their pattern is aligned with what is behind them.
  void set_guards() const { fill(front(), kGuard, kRedZone), fill(back(), kGuard, kRedZone); }
};

std::mutex mutex;
std::map<void*, Region>& regions() {
  static std::map<void*, Region> all;
  return all;
}

std::size_t changed_bytes(const std::byte* guard) {
  alignas(8) static const auto expected = [] {
    std::array<std::byte, kGuard> bytes{};
    fill(bytes.data(), kGuard, kRedZone);
    return bytes;
  }();
  if (std::memcmp(guard, expected.data(), kGuard) == 0) return 0;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < kGuard; ++i) changed += guard[i] != expected[i];
  return changed;
}

}  // namespace

void* allocate_global(std::size_t bytes) {
  const std::size_t whole = (2 * kGuard + bytes + kAlign - 1) / kAlign * kAlign;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlign, whole));
  if (!memory) throw std::bad_alloc();
  const Region region{memory + kGuard, bytes};
  fill(region.data, bytes, kPoison);
  region.set_guards();
  sanitizer::forbid(region.front(), kGuard);
  sanitizer::forbid(region.back(), kGuard);
  const std::lock_guard lock(mutex);
  regions().emplace(region.data, region);
  return region.data;
}

void release_global(void* data) noexcept {
  if (!data) return;
  const std::lock_guard lock(mutex);
  const auto found = regions().find(data);
  if (found == regions().end()) return;
  const Region region = found->second;
  regions().erase(found);
  sanitizer::allow(region.front(), region.bytes + 2 * kGuard);
  std::free(region.front());
}

void check_global(std::string_view kernel) {
  if (kAddressSanitizer) return;  // which has caught every access already
  const std::lock_guard lock(mutex);
  for (const auto& [data, region] : regions()) {
    const std::size_t before = changed_bytes(region.front()), behind = changed_bytes(region.back());
    if (before + behind == 0) continue;
    region.set_guards();
    throw Error(str("kernel ", kernel, ": ", before ? before : behind, " bytes written ",
                    before ? "in front of" : "behind", " a buffer of ", region.bytes, " bytes"));
  }
}

}  // namespace fovea::emulated
