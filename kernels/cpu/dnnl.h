// oneDNN behind one header: the only file that knows the library's API version (2.x with operation
// descriptors in Debian 12, 3.x without them in Ubuntu 24.04). Included by the .cc files of
// kernels/cpu alone.
#pragma once

#include <dnnl.hpp>
#include <optional>
#include <vector>

#include "kernels/cpu/library_call.h"
#include "kernels/ops/op.h"

namespace fovea::cpu {

using MemoryDesc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

inline const dnnl::engine& dnnl_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
inline dnnl::stream& dnnl_stream() {
  static dnnl::stream stream(dnnl_engine());
  return stream;
}

inline MemoryDesc desc(const Dims& dims, Tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}

// Four axes always: (N, C) counts as (N, C, 1, 1).
inline Dims dims_of(const Shape& s) { return {s.n(), s.c(), s.h(), s.w()}; }

constexpr Tag tag_of(Layout layout) {
  switch (layout) {
    case Layout::kPlain:
      return Tag::nchw;
    case Layout::kChannelsLast:
      return Tag::nhwc;
    case Layout::kBlocked8:
      return Tag::nChw8c;
    case Layout::kBlocked16:
      return Tag::nChw16c;
  }
  return Tag::undef;
}

// The layout that `md` describes for `shape`, if it is one of ours.
inline std::optional<Layout> layout_of(const MemoryDesc& md, const Shape& shape) {
  for (const Layout layout :
       {Layout::kBlocked16, Layout::kBlocked8, Layout::kPlain, Layout::kChannelsLast}) {
    if (md == desc(dims_of(shape), tag_of(layout))) return layout;
  }
  return std::nullopt;
}

// The format of one image of several.
inline MemoryDesc one_image(const MemoryDesc& several) {
#if DNNL_VERSION_MAJOR >= 3
  Dims dims = several.get_dims();
#else
  Dims dims = several.dims();
#endif
  const Dims origin(dims.size(), 0);
  dims[0] = 1;
  return several.submemory_desc(dims, origin);
}

// Attributes of every primitive: scratchpad in our arena, ReLU as a post-operation where asked for.
inline dnnl::primitive_attr attributes(std::optional<float> relu_slope) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (relu_slope) {
    dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(dnnl::algorithm::eltwise_relu, *relu_slope, 0.0F);
#else
    ops.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, *relu_slope, 0.0F);
#endif
    attr.set_post_ops(ops);
  }
  return attr;
}

// Descriptors of one linear layer; bias empty = none.
struct LinearDescs {
  MemoryDesc src, weights, bias, dst;
  Dims strides, pad_before, pad_after;  // convolution only
  dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct;
};

using ConvForward = dnnl::convolution_forward;
using ConvBackwardData = dnnl::convolution_backward_data;
using ConvBackwardWeights = dnnl::convolution_backward_weights;
using ProductForward = dnnl::inner_product_forward;
using ProductBackwardData = dnnl::inner_product_backward_data;
using ProductBackwardWeights = dnnl::inner_product_backward_weights;

#if DNNL_VERSION_MAJOR >= 3
inline ConvForward::primitive_desc forward_desc(const LinearDescs& d, dnnl::prop_kind kind,
                                                const dnnl::primitive_attr& attr, ConvForward*) {
  return {dnnl_engine(), kind,      d.algorithm,  d.src,       d.weights, d.bias,
          d.dst,         d.strides, d.pad_before, d.pad_after, attr};
}
inline ConvBackwardData::primitive_desc backward_data_desc(const LinearDescs& d,
                                                           const ConvForward::primitive_desc& hint,
                                                           const dnnl::primitive_attr& attr) {
  return {dnnl_engine(), d.algorithm,  d.src,       d.weights, d.dst,
          d.strides,     d.pad_before, d.pad_after, hint,      attr};
}
inline ConvBackwardWeights::primitive_desc backward_weights_desc(
    const LinearDescs& d, const ConvForward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  return {dnnl_engine(), d.algorithm,  d.src,       d.weights, d.bias, d.dst,
          d.strides,     d.pad_before, d.pad_after, hint,      attr};
}
inline ProductForward::primitive_desc forward_desc(const LinearDescs& d, dnnl::prop_kind kind,
                                                   const dnnl::primitive_attr& attr,
                                                   ProductForward*) {
  return {dnnl_engine(), kind, d.src, d.weights, d.bias, d.dst, attr};
}
inline ProductBackwardData::primitive_desc backward_data_desc(
    const LinearDescs& d, const ProductForward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  return {dnnl_engine(), d.src, d.weights, d.dst, hint, attr};
}
inline ProductBackwardWeights::primitive_desc backward_weights_desc(
    const LinearDescs& d, const ProductForward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  return {dnnl_engine(), d.src, d.weights, d.bias, d.dst, hint, attr};
}
#else
inline ConvForward::primitive_desc forward_desc(const LinearDescs& d, dnnl::prop_kind kind,
                                                const dnnl::primitive_attr& attr, ConvForward*) {
  return {
      {kind, d.algorithm, d.src, d.weights, d.bias, d.dst, d.strides, d.pad_before, d.pad_after},
      attr,
      dnnl_engine()};
}
inline ConvBackwardData::primitive_desc backward_data_desc(const LinearDescs& d,
                                                           const ConvForward::primitive_desc& hint,
                                                           const dnnl::primitive_attr& attr) {
  return {{d.algorithm, d.src, d.weights, d.dst, d.strides, d.pad_before, d.pad_after},
          attr,
          dnnl_engine(),
          hint};
}
inline ConvBackwardWeights::primitive_desc backward_weights_desc(
    const LinearDescs& d, const ConvForward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  return {{d.algorithm, d.src, d.weights, d.bias, d.dst, d.strides, d.pad_before, d.pad_after},
          attr,
          dnnl_engine(),
          hint};
}
inline ProductForward::primitive_desc forward_desc(const LinearDescs& d, dnnl::prop_kind kind,
                                                   const dnnl::primitive_attr& attr,
                                                   ProductForward*) {
  return {{kind, d.src, d.weights, d.bias, d.dst}, attr, dnnl_engine()};
}
inline ProductBackwardData::primitive_desc backward_data_desc(
    const LinearDescs& d, const ProductForward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  return {{d.src, d.weights, d.dst}, attr, dnnl_engine(), hint};
}
inline ProductBackwardWeights::primitive_desc backward_weights_desc(
    const LinearDescs& d, const ProductForward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  return {{d.src, d.weights, d.bias, d.dst}, attr, dnnl_engine(), hint};
}
#endif

// A primitive with its arguments bound; running it allocates nothing of ours.
class BoundPrimitive {
 public:
  BoundPrimitive() = default;
  explicit BoundPrimitive(dnnl::primitive primitive) : primitive_(std::move(primitive)) {}

  void add(int argument, const MemoryDesc& md, void* data) {
    memories_.emplace_back(md, dnnl_engine(), data);
    arguments_.push_back({argument, memories_.back().get()});
  }
  void run() const {
    const LibraryCall guard;
    const auto status =
        dnnl_primitive_execute(primitive_.get(), dnnl_stream().get(),
                               static_cast<int>(arguments_.size()), arguments_.data());
    require(status == dnnl_success, "oneDNN failed with status ", static_cast<int>(status));
    dnnl_stream().wait();
  }
  void clear() { memories_.clear(), arguments_.clear(); }

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// to <- from, in another format.
inline void convert(const MemoryDesc& from, const void* source, const MemoryDesc& to,
                    void* target) {
  dnnl::memory a(from, dnnl_engine(), const_cast<void*>(source)), b(to, dnnl_engine(), target);
  dnnl::reorder(a, b).execute(dnnl_stream(), a, b);
  dnnl_stream().wait();
}

}  // namespace fovea::cpu
