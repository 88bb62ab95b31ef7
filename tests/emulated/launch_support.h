// Arrays in the emulated device's memory, and the orders that every test of it runs in.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/emulated/launch.h"
#include "kernels/emulated/memory.h"

namespace fovea::emulated {

inline constexpr Order kAllOrders[] = {{ThreadOrder::kForward},
                                       {ThreadOrder::kReverse},
                                       {ThreadOrder::kRandom, 1},
                                       {ThreadOrder::kRandom, 2}};

template <class T>
class GlobalArray {
 public:
  explicit GlobalArray(const std::vector<T>& values)
      : data_(static_cast<T*>(allocate_global(values.size() * sizeof(T)))), size_(values.size()) {
    std::ranges::copy(values, data_);
  }
  ~GlobalArray() { release_global(data_); }
  GlobalArray(const GlobalArray&) = delete;
  GlobalArray& operator=(const GlobalArray&) = delete;

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::vector<T> values() const { return {data_, data_ + size_}; }

 private:
  T* data_;
  std::size_t size_;
};

}  // namespace fovea::emulated
