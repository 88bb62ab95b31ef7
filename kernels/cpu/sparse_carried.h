// What marked outputs carry back, as one list: the places of their weights and both their S. The
// loop over a list knows nothing of masks.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "kernels/cpu/vector.h"

namespace fovea::cpu {

// The lanes of v that `mark` names, side by side; may write a whole vector.
template <std::int64_t kLanes, class Lane>
inline void compress(const Lane* v, unsigned mark, Lane* to) {
#if defined(__AVX512F__)
  if constexpr (kLanes == 16) {
    const __m512i lanes = _mm512_loadu_si512(v);
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mark), lanes));
    return;
  }
#endif
  for (; mark != 0; mark &= mark - 1) *to++ = v[std::countr_zero(mark)];
}

template <std::int64_t kLanes>
class Carried {
 public:
  // For `most` outputs; the weights of one lie `row` floats behind those of the one before.
  Carried(std::int64_t most, std::int64_t row)
      : weights_(static_cast<std::size_t>(most + kLanes)),
        positive_(weights_.size()),
        negative_(weights_.size()) {
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      lane_rows_[lane] = static_cast<std::int32_t>(static_cast<std::int64_t>(lane) * row);
  }
  void clear() { count_ = 0; }
  // The marked outputs of one block at one position, their lanes at s0 and s1 (null: 0); `place`:
  // of the first lane's weight.
  void add(unsigned mark, std::int64_t place, const float* s0, const float* s1) {
    std::array<std::int32_t, kLanes> places;
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      places[lane] = lane_rows_[lane] + static_cast<std::int32_t>(place);
    compress<kLanes>(places.data(), mark, &weights_[count_]);
    if (s0) compress<kLanes>(s0, mark, &positive_[count_]);
    if (s1) compress<kLanes>(s1, mark, &negative_[count_]);
    count_ += static_cast<std::size_t>(std::popcount(mark));
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }

  // Calls visit(weights, S+, S-), the S in every lane.
  template <class Visit>
  void for_each(const float* weights, Visit&& visit) const {
    for (std::size_t i = 0; i < count_; ++i)
      visit(weights + weights_[i], splat<kLanes>(positive_[i]), splat<kLanes>(negative_[i]));
  }

 private:
  std::vector<std::int32_t> weights_;
  std::vector<float> positive_, negative_;  // zeros where there is no S
  std::array<std::int32_t, kLanes> lane_rows_{};
  std::size_t count_ = 0;
};

}  // namespace fovea::cpu
