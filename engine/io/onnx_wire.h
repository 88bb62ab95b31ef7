// The messages of ONNX (onnx.proto3), as far as write_onnx needs them. Field numbers are the
// format's own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/shape.h"
#include "engine/io/wire_pieces.h"

namespace fovea::onnx {

constexpr std::uint64_t kFloat = 1, kInt64 = 7;  // TensorProto.DataType

// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5. AttributeProto: name 1, f 2, i 3,
// ints 8, type 20 (FLOAT 1, INT 2, INTS 7).
class NodeWriter {
 public:
  NodeWriter(const std::string& type, const std::string& name,
             const std::vector<std::string>& inputs, const std::string& output) {
    for (const std::string& input : inputs) node_.bytes(1, input);
    node_.bytes(2, output).bytes(3, name).bytes(4, type);
  }
  NodeWriter& with(const char* name, float value) {
    return attribute(WireWriter().bytes(1, name).fixed32(2, value).varint(20, 1));
  }
  NodeWriter& with(const char* name, std::int64_t value) {
    return attribute(
        WireWriter().bytes(1, name).varint(3, static_cast<std::uint64_t>(value)).varint(20, 2));
  }
  NodeWriter& with(const char* name, const std::vector<std::int64_t>& values) {
    WireWriter list;
    list.bytes(1, name);
    for (const std::int64_t value : values) list.varint(8, static_cast<std::uint64_t>(value));
    return attribute(list.varint(20, 7));
  }
  [[nodiscard]] const std::string& message() const { return node_.message(); }

 private:
  NodeWriter& attribute(const WireWriter& content) {
    node_.bytes(5, content.message());
    return *this;
  }
  WireWriter node_;
};

// TensorProto: dims 1, data_type 2, name 8, raw_data 9.
inline WireWriter tensor_head(const std::string& name, const std::vector<std::int64_t>& dims,
                              std::uint64_t type) {
  WireWriter head;
  for (const std::int64_t dim : dims) head.varint(1, static_cast<std::uint64_t>(dim));
  head.varint(2, type).bytes(8, name);
  return head;
}

// ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1 (elem_type 1, shape 2); a shape's dim 1
// is a dim_value 1 or a dim_param 2. `batch` 0: the symbol N.
inline WireWriter value_info(const std::string& name, const Shape& shape, std::int64_t batch) {
  WireWriter dims;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    WireWriter dim;
    if (axis == 0 && batch == 0) {
      dim.bytes(2, "N");
    } else {
      dim.varint(1, static_cast<std::uint64_t>(axis == 0 ? batch : shape[axis]));
    }
    dims.bytes(1, dim.message());
  }
  const WireWriter tensor = WireWriter().varint(1, kFloat).bytes(2, dims.message());
  return WireWriter().bytes(1, name).bytes(2, WireWriter().bytes(1, tensor.message()).message());
}

}  // namespace fovea::onnx
