// A deployed net and its weights as an ONNX model: opset 13, IR version 7, onnx.ai's default domain
// only, written with our own wire encoder.
//
// Convolution, grouped or not -> Conv; inner product -> Flatten, Gemm; LRN across channels -> LRN,
// within a channel -> its formula; ReLU -> Relu or LeakyRelu; softmax and concatenation as they
// are; dropout and Split are left out. Pooling: OnnxPooling.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/graph/graph.h"
#include "engine/io/weights.h"

namespace fovea {

struct OnnxOptions {
  std::int64_t batch = 0;  // 0: the symbolic dimension "N"
  std::map<std::string, std::string> metadata;
};

// `graph` for any batch; `weights` of all its parameters (take_weights). Values keep their blobs'
// names; what a later layer overwrites in place is called <blob>@<layer>. Error for layers that a
// deployed net cannot have (losses, accuracy, concatenation of batches). The file appears complete
// or not at all.
void write_onnx(const std::filesystem::path& path, const Graph& graph, const NamedTensors& weights,
                const OnnxOptions& options, bool overwrite);

// How ONNX says Caffe's pooling exactly. Caffe rounds the number of windows up, may drop the last,
// and divides averages by the part of the window inside the image and its padding, but not by the
// overhang beyond. So: ceil_mode 0, and pads at the end that make the last window fit. Averages
// leave padding out (count_include_pad 0) when there is none of Caffe's, and count it when there is
// no overhang; with both, a Pad node makes Caffe's padding part of the image and the pool's own
// pads are the overhang.
struct OnnxPooling {
  bool pad_first = false;          // zeros of params.pad on all sides, by a Pad node
  Extent2 begin{0, 0}, end{0, 0};  // the pool's own pads
  bool count_include_pad = false;
};
[[nodiscard]] OnnxPooling onnx_pooling(const PoolingParams& params, const Shape& input);

}  // namespace fovea
