// The operands of implicit matrix products D(m,n) = sum_k A(m,k) B(k,n): which element of a tensor
// stands at (row or column, k), for the threads that bring tiles into shared memory. One operand
// serves as A or B; its rows below are the columns of B.
//
// Threads fetch pieces of kVector neighbouring elements. Where k is contiguous in memory pieces run
// along k (kAlongDepth), else along the rows:
//   MatrixRows     (row, k) at row pitch + k             weights K (R S C); activations of 1x1
//   MatrixColumns  (row, k) at k pitch + row             dy, weights and x of 1x1, transposed
//   WindowRows     row = output pixel, k = (tap, channel)     x forward, dy backward to the data
//   WindowColumns  row = (tap, channel), k = output pixel     x backward to the weights
//   FilterColumns  row = channel c, k = (tap, output channel) weights backward to the data
// Taps before channels, so that pieces never straddle taps: kVector divides the channels.
// Source: implicit GEMM as in CUTLASS's documentation, implicit_gemm_convolution.md.
#pragma once

#include <cstdint>

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

// The pieces of one thread in a tile of kExtent rows and kDepth values of k. A line is a row
// (kAlongDepth) or a k; every thread stays at one position of its lines.
template <int kExtent, int kDepth, int kVector, int kThreads, bool kAlongDepth>
struct Share {
  static constexpr int kPerLine = (kAlongDepth ? kDepth : kExtent) / kVector;
  static constexpr int kLines = kAlongDepth ? kExtent : kDepth;
  static constexpr int kStep = kThreads / kPerLine;
  static constexpr int kCount = (kLines + kStep - 1) / kStep;
  static constexpr int kBlock = kDepth;
  static_assert(kThreads % kPerLine == 0 && kPerLine * kVector == (kAlongDepth ? kDepth : kExtent));

  static __device__ __forceinline__ int position(int thread) { return thread % kPerLine * kVector; }
  static __device__ __forceinline__ int line(int thread, int i) {
    return thread / kPerLine + i * kStep;
  }
  static __device__ __forceinline__ bool holds(int thread, int i) {
    return kLines % kStep == 0 || line(thread, i) < kLines;
  }
};

// What is not there counts as zeros; its address is then any that may be read.
template <class T>
struct Piece {
  const T* address;
  bool there;
};

template <class T, int kVector_>
struct MatrixRows {
  using Element = T;
  static constexpr int kVector = kVector_;
  static constexpr bool kAlongDepth = true;
  struct Params {
    const T* data;
    std::int32_t rows, k, pitch;
    [[nodiscard]] __host__ __device__ std::int32_t depth() const { return k; }
  };

  template <class S>
  class Reader {
   public:
    __device__ __forceinline__ Reader(const Params& p, const T* data, int row0, int k0, int thread)
        : data_(data), depth_(p.k), pitch_(p.pitch), k_(k0 + S::position(thread)) {
      const int line = S::line(thread, 0), inside = p.rows - row0;
      rows_ = (inside < S::kLines ? inside : S::kLines) - line;
      offset_ = (row0 + line) * pitch_;
    }
    __device__ __forceinline__ Piece<T> piece(int i) const {
      const bool there = i * S::kStep < rows_ && k_ < depth_;
      return {there ? data_ + offset_ + i * S::kStep * pitch_ + k_ : data_, there};
    }
    __device__ __forceinline__ void next() { k_ += S::kBlock; }

   private:
    const T* data_;
    std::int32_t depth_, pitch_, k_, rows_, offset_;
  };
};

template <class T, int kVector_>
struct MatrixColumns {
  using Element = T;
  static constexpr int kVector = kVector_;
  static constexpr bool kAlongDepth = false;
  struct Params {
    const T* data;
    std::int32_t rows, k, pitch;
    [[nodiscard]] __host__ __device__ std::int32_t depth() const { return k; }
  };

  template <class S>
  class Reader {
   public:
    __device__ __forceinline__ Reader(const Params& p, const T* data, int row0, int k0, int thread)
        : data_(data), depth_(p.k), pitch_(p.pitch), k_(k0 + S::line(thread, 0)) {
      const int row = row0 + S::position(thread);
      inside_ = row < p.rows;
      offset_ = inside_ ? k_ * pitch_ + row : 0;
    }
    __device__ __forceinline__ Piece<T> piece(int i) const {
      const bool there = inside_ && k_ + i * S::kStep < depth_;
      return {there ? data_ + offset_ + i * S::kStep * pitch_ : data_, there};
    }
    __device__ __forceinline__ void next() {
      k_ += S::kBlock;
      offset_ += S::kBlock * pitch_;
    }

   private:
    const T* data_;
    std::int32_t depth_, pitch_, k_, offset_;
    bool inside_;
  };
};

// Row m is position (i, j) of image n; tap (t, u) of it reads pixel (h, w) of the source, h = i
// scale + offset + t step (w likewise); outside of the source are zeros.
//   forward: scale = stride, offset = -pad, step = 1
//   backward to the data, one class of pixels: scale = 1, step = -1 (convolution_geometry.h)
template <class T, int kVector_>
struct WindowRows {
  using Element = T;
  static constexpr int kVector = kVector_;
  static constexpr bool kAlongDepth = true;
  struct Params {
    const T* data;
    std::int32_t rows, channels, pitch;  // pitch: elements from pixel to pixel
    std::int32_t height, width;          // of the source
    std::int32_t taps[2], scale[2], offset[2], step;
    Divisor image, line;  // rows of the matrix per image, per line of positions
    [[nodiscard]] __host__ __device__ std::int32_t depth() const {
      return taps[0] * taps[1] * channels;
    }
  };

  template <class S>
  class Reader {
   public:
    __device__ __forceinline__ Reader(const Params& p, const T* data, int row0, int k0, int thread)
        : p_(p), data_(data) {
      const int k = k0 + S::position(thread), tap = k / p.channels;
      c_ = k - tap * p.channels;
      t_ = tap / p.taps[1];
      u_ = tap - t_ * p.taps[1];
#pragma unroll
      for (int i = 0; i < S::kCount; ++i) {
        const int row = row0 + S::line(thread, i);
        const bool inside = S::holds(thread, i) && row < p.rows;
        const Quotient image = p.image.divide(inside ? row : 0);
        const Quotient line = p.line.divide(image.remainder);
        h_[i] = inside ? line.quotient * p.scale[0] + p.offset[0] : kOutside;
        w_[i] = line.remainder * p.scale[1] + p.offset[1];
        offset_[i] =
            ((image.quotient * p.height + (inside ? h_[i] : 0)) * p.width + w_[i]) * p.pitch;
      }
      locate();
    }
    __device__ __forceinline__ Piece<T> piece(int i) const {
      const bool there =
          static_cast<std::uint32_t>(h_[i] + h_step_) < static_cast<std::uint32_t>(p_.height) &&
          static_cast<std::uint32_t>(w_[i] + w_step_) < static_cast<std::uint32_t>(p_.width) &&
          t_ < p_.taps[0];
      return {there ? data_ + offset_[i] + delta_ : data_, there};
    }
    __device__ __forceinline__ void next() {
      c_ += S::kBlock;
      while (c_ >= p_.channels) {
        c_ -= p_.channels;
        if (++u_ == p_.taps[1]) u_ = 0, ++t_;
      }
      locate();
    }

   private:
    static constexpr std::int32_t kOutside = -(1 << 20);

    __device__ __forceinline__ void locate() {
      h_step_ = t_ * p_.step;
      w_step_ = u_ * p_.step;
      delta_ = (h_step_ * p_.width + w_step_) * p_.pitch + c_;
    }

    const Params& p_;
    const T* data_;
    std::int32_t c_, t_, u_, h_step_, w_step_, delta_;
    std::int32_t h_[S::kCount], w_[S::kCount], offset_[S::kCount];
  };
};

template <class T, int kVector_>
struct WindowColumns {
  using Element = T;
  static constexpr int kVector = kVector_;
  static constexpr bool kAlongDepth = false;
  struct Params {
    const T* data;
    std::int32_t rows, k, channels, pitch;
    std::int32_t height, width;
    std::int32_t taps[2], scale[2], offset[2];
    Divisor image, line;  // output pixels per image, per line
    [[nodiscard]] __host__ __device__ std::int32_t depth() const { return k; }
  };

  template <class S>
  class Reader {
   public:
    __device__ __forceinline__ Reader(const Params& p, const T* data, int row0, int k0, int thread)
        : p_(p), data_(data), k_(k0 + S::line(thread, 0)) {
      const int row = row0 + S::position(thread), tap = row / p.channels;
      h_ = tap / p.taps[1] + p.offset[0];
      w_ = tap % p.taps[1] + p.offset[1];
      c_ = row - tap * p.channels;
      inside_ = row < p.rows;
    }
    __device__ __forceinline__ Piece<T> piece(int i) const {
      const int k = k_ + i * S::kStep;
      const bool inside = inside_ && k < p_.k;
      const Quotient image = p_.image.divide(inside ? k : 0);
      const Quotient line = p_.line.divide(image.remainder);
      const int h = line.quotient * p_.scale[0] + h_, w = line.remainder * p_.scale[1] + w_;
      const bool there = inside &&
                         static_cast<std::uint32_t>(h) < static_cast<std::uint32_t>(p_.height) &&
                         static_cast<std::uint32_t>(w) < static_cast<std::uint32_t>(p_.width);
      const int offset = ((image.quotient * p_.height + h) * p_.width + w) * p_.pitch + c_;
      return {there ? data_ + offset : data_, there};
    }
    __device__ __forceinline__ void next() { k_ += S::kBlock; }

   private:
    const Params& p_;
    const T* data_;
    std::int32_t k_, h_, w_, c_;
    bool inside_;
  };
};

// k = (tap, output channel) over the taps (t, u) that a class of pixels sees, which are taps
// (first + t stride, ...) of the filter.
template <class T, int kVector_>
struct FilterColumns {
  using Element = T;
  static constexpr int kVector = kVector_;
  static constexpr bool kAlongDepth = false;
  struct Params {
    const T* data;
    std::int32_t rows, k;  // rows: channels of a tap
    std::int32_t pitch;    // from one output channel to the next
    std::int32_t filter_width, first[2], stride[2];
    Divisor outputs, line;  // output channels per tap, taps per line
    [[nodiscard]] __host__ __device__ std::int32_t depth() const { return k; }
  };

  template <class S>
  class Reader {
   public:
    __device__ __forceinline__ Reader(const Params& p, const T* data, int row0, int k0, int thread)
        : p_(p),
          data_(data),
          row_(row0 + S::position(thread)),
          k_(k0 + S::line(thread, 0)),
          inside_(row_ < p.rows) {}
    __device__ __forceinline__ Piece<T> piece(int i) const {
      const int k = k_ + i * S::kStep;
      const bool there = inside_ && k < p_.k;
      const Quotient tap = p_.outputs.divide(there ? k : 0);
      const Quotient line = p_.line.divide(tap.quotient);
      const int r = p_.first[0] + line.quotient * p_.stride[0],
                s = p_.first[1] + line.remainder * p_.stride[1];
      const int offset = tap.remainder * p_.pitch + (r * p_.filter_width + s) * p_.rows + row_;
      return {there ? data_ + offset : data_, there};
    }
    __device__ __forceinline__ void next() { k_ += S::kBlock; }

   private:
    const Params& p_;
    const T* data_;
    std::int32_t row_, k_;
    bool inside_;
  };
};

}  // namespace fovea::FOVEA_TARGET
