// Owning, zeroed memory aligned for vector loads and oneDNN (64 bytes).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace fovea {

inline constexpr std::size_t kAlignment = 64;

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// `bytes` of zeros, for std::free(). Large blocks lie in pages of 2 MiB where the system gives such
// to those who ask, which spares most searches for a page's place: weights and activations are
// streamed.
inline void* allocate_zeros(std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const bool large = bytes >= 4 * kHugePage;
  const std::size_t unit = large ? kHugePage : kAlignment;
  const std::size_t whole = (bytes + unit - 1) / unit * unit;
  void* data = std::aligned_alloc(unit, whole);
  if (!data) throw std::bad_alloc();
  if (large) (void)madvise(data, whole, MADV_HUGEPAGE);
  std::memset(data, 0, whole);
  return data;
}

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t count) : count_(count) {
    if (count == 0) return;
    data_.reset(static_cast<T*>(allocate_zeros(count * sizeof(T))));
  }

  [[nodiscard]] T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::span<T> span() const { return {data_.get(), count_}; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t count_ = 0;
};

}  // namespace fovea
