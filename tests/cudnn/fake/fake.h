// A stand-in for libcudnn and libcublas that computes on the host, as plainly as it can, exactly
// what the descriptors and arguments say, and that is stricter than they are: what is used must
// still live, pointers must be aligned, workspaces are overwritten. It knows nothing of how Fovea
// calls it.
#pragma once

#include <cstdint>
#include <cstring>
#include <set>

extern "C" {
// Switches for tests, by name: cudnn.cc and graph.cc say which there are.
void fake_set(const char* name, int value);
int fake_get(const char* name);
// Handles and descriptors that were made and not destroyed.
int fake_live();
}

namespace fake {

int& setting(const char* name);
std::set<const void*>& live();

template <class T>
T* made(T* object) {
  live().insert(object);
  return object;
}
// False: destroyed twice, or never made.
template <class T>
bool destroyed(T* object) {
  if (live().erase(object) == 0) return false;
  delete object;
  return true;
}

inline bool aligned(const void* pointer, std::uintptr_t to) {
  return pointer != nullptr && reinterpret_cast<std::uintptr_t>(pointer) % to == 0;
}

// Four axes with strides; single precision or bf16.
struct View {
  std::int64_t extents[4] = {}, strides[4] = {};
  bool bf16 = false;
  void* data = nullptr;

  [[nodiscard]] std::int64_t at(std::int64_t n, std::int64_t c, std::int64_t h,
                                std::int64_t w) const {
    return n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3];
  }
  [[nodiscard]] float get(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    if (!bf16) return static_cast<const float*>(data)[at(n, c, h, w)];
    const std::uint32_t bits =
        std::uint32_t{static_cast<const std::uint16_t*>(data)[at(n, c, h, w)]} << 16;
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  // Results are single precision.
  void set(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, double value) const {
    static_cast<float*>(data)[at(n, c, h, w)] = static_cast<float>(value);
  }
  template <class Body>
  void for_each(Body&& body) const {
    for (std::int64_t n = 0; n < extents[0]; ++n)
      for (std::int64_t c = 0; c < extents[1]; ++c)
        for (std::int64_t h = 0; h < extents[2]; ++h)
          for (std::int64_t w = 0; w < extents[3]; ++w) body(n, c, h, w);
  }
};

}  // namespace fake
