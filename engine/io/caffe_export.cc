#include "engine/io/caffe_export.h"

#include "engine/core/json_fields.h"
#include "engine/graph/graph.h"
#include "engine/io/wire_pieces.h"

namespace fovea {
namespace {

// Indented fields of the text format.
class TextWriter {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }

  template <class T>
  void field(const char* name, const T& value) {
    line(str(name, ": ", value));
  }
  void field(const char* name, float value) { field(name, Json(shortest_double(value)).dump()); }
  void field(const char* name, bool value) { field(name, value ? "true" : "false"); }
  void quoted(const char* name, const std::string& value) {
    std::string escaped;
    for (const char c : value)
      escaped += (c == '"' || c == '\\') ? str('\\', c) : std::string(1, c);
    field(name, str('"', escaped, '"'));
  }
  template <class T>
  void unless(const char* name, const T& value, const T& usual) {
    if (value != usual) field(name, value);
  }
  // kernel_size, or kernel_h and kernel_w.
  void extent(const std::string& both, const std::string& prefix, const Extent2& e,
              std::int64_t usual) {
    if (e[0] == e[1]) return unless(both.c_str(), e[0], usual);
    field((prefix + "_h").c_str(), e[0]);
    field((prefix + "_w").c_str(), e[1]);
  }
  // A message, if `content` writes anything.
  template <class Content>
  void message(const char* name, Content content) {
    const std::size_t before = text_.size();
    line(str(name, " {"));
    const std::size_t open = text_.size();
    ++depth_;
    content();
    --depth_;
    if (text_.size() == open) {
      text_.resize(before);
    } else {
      line("}");
    }
  }

 private:
  void line(const std::string& content) {
    text_ += std::string(static_cast<std::size_t>(2 * depth_), ' ') + content + '\n';
  }

  std::string text_;
  int depth_ = 0;
};

void write_filler(TextWriter& out, const char* name, const Filler& f) {
  const Filler usual;
  if (f == usual) return;
  out.message(name, [&] {
    out.quoted("type", std::string(enum_name(f.type)));
    out.unless("value", f.value, usual.value), out.unless("min", f.min, usual.min);
    out.unless("max", f.max, usual.max), out.unless("mean", f.mean, usual.mean);
    out.unless("std", f.std, usual.std);
  });
}

// What the layer's own message holds; one overload a kind.
struct OperationWriter {
  TextWriter& out;

  void windows(const Extent2& kernel, const Extent2& stride, const Extent2& pad) const {
    out.extent("kernel_size", "kernel", kernel, 0);
    out.extent("stride", "stride", stride, 1);
    out.extent("pad", "pad", pad, 0);
  }
  template <class Linear>
  void linear(const Linear& p) const {
    out.unless("bias_term", p.bias, true);
    write_filler(out, "weight_filler", p.weight_filler);
    write_filler(out, "bias_filler", p.bias_filler);
  }

  void operator()(const ConvolutionParams& p) const {
    out.message("convolution_param", [&] {
      out.field("num_output", p.outputs);
      windows(p.kernel, p.stride, p.pad);
      out.unless("group", p.groups, std::int64_t{1});
      linear(p);
    });
  }
  void operator()(const InnerProductParams& p) const {
    out.message("inner_product_param", [&] {
      out.field("num_output", p.outputs);
      linear(p);
    });
  }
  void operator()(const PoolingParams& p) const {
    out.message("pooling_param", [&] {
      out.field("pool", p.mode == PoolingMode::kMax ? "MAX" : "AVE");
      if (p.global) return out.field("global_pooling", true);
      windows(p.kernel, p.stride, p.pad);
    });
  }
  void operator()(const LrnParams& p) const {
    out.message("lrn_param", [&] {
      out.field("local_size", p.size);
      out.field("alpha", p.alpha), out.field("beta", p.beta), out.unless("k", p.k, 1.0F);
      if (p.region == LrnRegion::kWithinChannel) out.field("norm_region", "WITHIN_CHANNEL");
    });
  }
  void operator()(const ReluParams& p) const {
    out.message("relu_param", [&] { out.unless("negative_slope", p.slope, 0.0F); });
  }
  void operator()(const DropoutParams& p) const {
    out.message("dropout_param", [&] { out.field("dropout_ratio", p.ratio); });
  }
  void operator()(const ConcatParams& p) const {
    out.message("concat_param", [&] { out.unless("axis", p.axis, 1); });
  }
  void operator()(const SplitParams&) const {}
  void operator()(const SoftmaxParams&) const {}
  void operator()(const SoftmaxLossParams& p) const {
    out.unless("loss_weight", p.loss_weight, 1.0F);
    out.message("loss_param", [&] {
      if (p.has_ignore_label) out.field("ignore_label", p.ignore_label);
      out.unless("normalize", p.normalize, true);
    });
  }
  void operator()(const AccuracyParams& p) const {
    out.message("accuracy_param", [&] {
      out.unless("top_k", p.top_k, 1);
      if (p.has_ignore_label) out.field("ignore_label", p.ignore_label);
    });
  }
};

void write_layer(TextWriter& out, const LayerDefinition& layer) {
  out.message("layer", [&] {
    out.quoted("name", layer.name);
    out.quoted("type", std::string(caffe_type_name(layer.op)));
    for (const std::string& bottom : layer.bottoms) out.quoted("bottom", bottom);
    for (const std::string& top : layer.tops) out.quoted("top", top);
    for (const ParamMultipliers& param : layer.params) {
      out.message("param", [&] {
        out.field("lr_mult", param.lr_mult), out.field("decay_mult", param.decay_mult);
      });
    }
    std::visit(OperationWriter{out}, layer.op);
  });
}

// BlobProto: shape 7 (dim 1), data 5.
WirePieces blob(const Tensor<float>& tensor) {
  WireWriter dims;
  for (const std::int64_t dim : tensor.shape) dims.varint(1, static_cast<std::uint64_t>(dim));
  WirePieces result;
  result.add(WireWriter().bytes(7, dims.message()));
  result.floats(5, tensor.values);
  return result;
}

}  // namespace

std::string caffe_prototxt(const NetDefinition& net) {
  TextWriter out;
  out.quoted("name", net.name);
  for (const InputDefinition& input : net.inputs) {
    out.quoted("input", input.name);
    out.message("input_shape", [&] {
      for (const std::int64_t dim : input.shape) out.field("dim", dim);
    });
  }
  for (const LayerDefinition& layer : net.layers) write_layer(out, layer);
  return out.text();
}

void write_caffemodel(const std::filesystem::path& path, const NetDefinition& net,
                      const NamedTensors& weights, bool overwrite) {
  WirePieces file;
  file.add(WireWriter().bytes(1, net.name));
  for (const LayerDefinition& layer : net.layers) {
    // LayerParameter: name 1, type 2, bottom 3, top 4, blobs 7.
    WireWriter head;
    head.bytes(1, layer.name).bytes(2, caffe_type_name(layer.op));
    for (const std::string& bottom : layer.bottoms) head.bytes(3, bottom);
    for (const std::string& top : layer.tops) head.bytes(4, top);
    WirePieces message;
    message.add(head);
    bool any = false;
    for (const char* part : {".weight", ".bias"}) {
      for (const auto& [name, tensor] : weights) {
        if (name != layer.name + part) continue;
        message.message(7, blob(tensor));
        any = true;
      }
    }
    if (any) file.message(100, std::move(message));
  }
  file.write(path, overwrite);
}

}  // namespace fovea
