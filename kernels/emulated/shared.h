// Shared memory with checked indices.
//
//   FOVEA_SHARED(float, tile, 32, 33);          tile[row][column], as __shared__ float tile[32][33]
//   FOVEA_DYNAMIC_SHARED(bytes);                the dynamic memory of the launch
//   auto&& a = shared_part<float, 64, 16>(bytes, offset);      an array in it, offset in bytes
//   const auto v = shared_span<float>(bytes, offset, count);   the same, length known at run time
#pragma once

#include <concepts>

#include "kernels/emulated/block.h"

namespace fovea::emulated {

[[noreturn]] inline void index_fault(const char* name, std::int64_t index, std::int64_t extent) {
  fault(str("shared-memory index ", index, " of ", name, ", expected 0 to ", extent - 1));
}

template <class T, int kExtent, int... kRest>
class SharedArray {
 public:
  static constexpr std::int64_t kStride = (std::int64_t{1} * ... * kRest);
  SharedArray(T* data, const char* name) : data_(data), name_(name) {}

  decltype(auto) operator[](std::integral auto index) const {
    const auto i = static_cast<std::int64_t>(index);
    if (i < 0 || i >= kExtent) [[unlikely]]
      index_fault(name_, i, kExtent);
    if constexpr (sizeof...(kRest) == 0) {
      return static_cast<T&>(data_[i]);
    } else {
      return SharedArray<T, kRest...>(data_ + i * kStride, name_);
    }
  }

 private:
  T* data_;
  const char* name_;
};

template <class T>
class SharedSpan {
 public:
  SharedSpan(T* data, std::int64_t count, const char* name)
      : data_(data), count_(count), name_(name) {}

  T& operator[](std::integral auto index) const {
    const auto i = static_cast<std::int64_t>(index);
    if (i < 0 || i >= count_) [[unlikely]]
      index_fault(name_, i, count_);
    return data_[i];
  }

 private:
  T* data_;
  std::int64_t count_;
  const char* name_;
};

// The dynamic shared memory; parts of it are checked against its size when they are made, and their
// indices against their own.
struct DynamicShared {
  std::span<std::byte> bytes;
  const char* name;

  template <class T>
  T* part(std::int64_t offset, std::int64_t count) const {
    const auto size = static_cast<std::int64_t>(bytes.size());
    if (offset < 0 || offset + count * static_cast<std::int64_t>(sizeof(T)) > size)
      fault(str("part of dynamic shared memory from byte ", offset, ", ", count, " values of ",
                sizeof(T), " bytes, expected to end within ", size, " bytes"));
    if (offset % static_cast<std::int64_t>(alignof(T)) != 0)
      fault(str("part of dynamic shared memory at byte ", offset, ", expected a multiple of ",
                alignof(T)));
    return reinterpret_cast<T*>(bytes.data() + offset);
  }
};

template <class T, int... kExtents>
SharedArray<T, kExtents...> shared_part(const DynamicShared& memory, std::int64_t offset) {
  return {memory.part<T>(offset, (std::int64_t{1} * ... * kExtents)), memory.name};
}
template <class T>
SharedSpan<T> shared_span(const DynamicShared& memory, std::int64_t offset, std::int64_t count) {
  return {memory.part<T>(offset, count), count, memory.name};
}

template <class T, int... kExtents>
SharedArray<T, kExtents...> make_shared_array(const void* key, const char* name) {
  std::byte* data =
      Block::current().shared_array(key, sizeof(T) * (std::size_t{1} * ... * kExtents), name);
  return {reinterpret_cast<T*>(data), name};
}

}  // namespace fovea::emulated

// The address of `name_key` is the array's identity: one per declaration and template instance.
#define FOVEA_SHARED(type, name, ...) \
  static const char name##_key = 0;   \
  const auto name = ::fovea::emulated::make_shared_array<type, __VA_ARGS__>(&name##_key, #name)
#define FOVEA_DYNAMIC_SHARED(name)                              \
  const ::fovea::emulated::DynamicShared name {                 \
    ::fovea::emulated::Block::current().dynamic_shared(), #name \
  }
