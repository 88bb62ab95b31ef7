// cuDNN's backend interface: attributes are stored as they come, and read back when a plan runs.
//
// Settings: fuses (0: no engine takes pointwise operations), engines (how many there are),
// workspace (bytes that a plan needs). Results: engine (which one ran last).
#include <cudnn.h>

#include <algorithm>
#include <map>
#include <vector>

#include "fake.h"

namespace {

constexpr auto kBad = CUDNN_STATUS_BAD_PARAM;
constexpr auto kNo = CUDNN_STATUS_NOT_SUPPORTED;

// In the order in which heuristics name them.
const std::vector<std::vector<cudnnBackendNumericalNote_t>> kEngines = {
    {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC},
    {CUDNN_NUMERICAL_NOTE_TENSOR_CORE},
    {CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4},
    {}};

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
      return sizeof(bool);
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

struct Attribute {
  cudnnBackendAttributeType_t type;
  std::vector<char> bytes;
};

struct Node {
  cudnnBackendDescriptorType_t type;
  bool final = false;
  std::map<int, Attribute> attributes;
  int engine = 0;               // of a configuration, and of its engine
  const Node* graph = nullptr;  // what a configuration is for

  [[nodiscard]] bool has(int name) const { return attributes.count(name) > 0; }
  template <class T>
  [[nodiscard]] std::vector<T> list(int name) const {
    const std::vector<char>& bytes = attributes.at(name).bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  template <class T>
  [[nodiscard]] T value(int name) const {
    return list<T>(name).at(0);
  }
  // Null if it is no longer there.
  [[nodiscard]] const Node* node(int name) const {
    const void* other = value<void*>(name);
    return fake::live().count(other) > 0 ? static_cast<const Node*>(other) : nullptr;
  }
};

const Node& to_node(const void* descriptor) { return *static_cast<const Node*>(descriptor); }
Node& to_node(void* descriptor) { return *static_cast<Node*>(descriptor); }

struct Names {
  cudnnBackendDescriptorType_t type;
  int convolution, x, w, y;
};
constexpr Names kPasses[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, 702, 704, 703, 705},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, 708, 710, 709, 711},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, 714, 716, 715, 717}};

std::vector<const Node*> operations_of(const Node& graph) {
  std::vector<const Node*> operations;
  for (const void* pointer : graph.list<void*>(CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
    if (fake::live().count(pointer) == 0) return {};
    operations.push_back(static_cast<const Node*>(pointer));
  }
  return operations;
}

// What a plan works on.
class Run {
 public:
  explicit Run(const Node& pack) {
    const auto ids = pack.list<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const auto data = pack.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    for (std::size_t i = 0; i < ids.size(); ++i) memory_[ids[i]] = data[i];
  }

  bool operation(const Node& op) {
    for (const Names& names : kPasses) {
      if (op.type == names.type) return convolution(op, names);
    }
    return op.type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR && pointwise(op);
  }

 private:
  bool view(const Node& op, int name, fake::View& v) {
    const Node* tensor = op.node(name);
    if (!tensor || !tensor->final) return false;
    const auto extents = tensor->list<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    const auto strides = tensor->list<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
    if (extents.size() != 4 || strides.size() != 4) return false;
    std::int64_t count = 1;
    for (std::size_t i = 0; i < 4; ++i)
      v.extents[i] = extents[i], v.strides[i] = strides[i], count *= extents[i];
    v.bf16 = tensor->value<int>(CUDNN_ATTR_TENSOR_DATA_TYPE) == CUDNN_DATA_BFLOAT16;
    const auto id = tensor->value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    if (tensor->value<char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) != 0) {
      virtual_[id].resize(static_cast<std::size_t>(count));
      v.data = virtual_[id].data();
      return true;
    }
    const auto alignment = tensor->value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    v.data = memory_.count(id) ? memory_[id] : nullptr;
    return fake::aligned(v.data, static_cast<std::uintptr_t>(alignment));
  }

  bool convolution(const Node& op, const Names& names) {
    fake::View x, w, y;
    const Node* c = op.node(names.convolution);
    if (!c || !view(op, names.x, x) || !view(op, names.w, w) || !view(op, names.y, y)) return false;
    const auto stride = c->list<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    const auto pad = c->list<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const std::int64_t groups = x.extents[1] / w.extents[1], outputs = w.extents[0] / groups;
    if (x.extents[1] % w.extents[1] != 0 || y.extents[1] != w.extents[0]) return false;
    // visit(x's and w's and y's place) for every product that there is.
    const auto products = [&](auto&& visit) {
      y.for_each([&](auto n, auto k, auto p, auto q) {
        w.for_each([&](auto filter, auto channel, auto r, auto s) {
          const auto h = p * stride[0] - pad[0] + r, column = q * stride[1] - pad[1] + s;
          if (filter != k || h < 0 || h >= x.extents[2] || column < 0 || column >= x.extents[3])
            return;
          visit(x.at(n, k / outputs * w.extents[1] + channel, h, column), w.at(k, channel, r, s),
                y.at(n, k, p, q));
        });
      });
    };
    const auto get = [](const fake::View& v, std::int64_t at) {
      fake::View one = v;
      one.strides[0] = 1;
      return static_cast<double>(one.get(at, 0, 0, 0));
    };
    const fake::View& result = op.type == kPasses[0].type ? y : op.type == kPasses[1].type ? x : w;
    std::map<std::int64_t, double> sums;
    products([&](auto xi, auto wi, auto yi) {
      if (&result == &y) sums[yi] += get(x, xi) * get(w, wi);
      if (&result == &x) sums[xi] += get(y, yi) * get(w, wi);
      if (&result == &w) sums[wi] += get(y, yi) * get(x, xi);
    });
    if (result.bf16) return false;
    result.for_each([&](auto n, auto k, auto h, auto column) {
      result.set(n, k, h, column, sums[result.at(n, k, h, column)]);
    });
    return true;
  }

  bool pointwise(const Node& op) {
    fake::View x, b, y;
    const Node* what = op.node(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    if (!what || !view(op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x) ||
        !view(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y))
      return false;
    const int mode = what->value<int>(CUDNN_ATTR_POINTWISE_MODE);
    if (mode == CUDNN_POINTWISE_ADD) {
      if (!view(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b)) return false;
    } else if (mode != CUDNN_POINTWISE_RELU_FWD) {
      return false;
    }
    y.for_each([&](auto n, auto c, auto h, auto w) {
      const float value = x.get(n, c, h, w);
      y.set(n, c, h, w,
            mode == CUDNN_POINTWISE_ADD ? value + b.get(0, c, 0, 0) : std::max(value, 0.0F));
    });
    return true;
  }

  std::map<std::int64_t, void*> memory_;
  std::map<std::int64_t, std::vector<float>> virtual_;
};

}  // namespace

extern "C" {

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  *descriptor = fake::made(new Node{type});
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  return fake::destroyed(static_cast<Node*>(descriptor)) ? CUDNN_STATUS_SUCCESS : kBad;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* elements) {
  Node& node = to_node(descriptor);
  if (node.final || count < 1) return kBad;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (int64_t i = 0; i < count; ++i) {
      const void* other = static_cast<void* const*>(elements)[i];
      const bool proposed = to_node(other).type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
      if (fake::live().count(other) == 0 || (!to_node(other).final && !proposed)) return kBad;
    }
  }
  const char* bytes = static_cast<const char*>(elements);
  node.attributes[name] = {type, {bytes, bytes + static_cast<std::size_t>(count) * size_of(type)}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Node& node = to_node(descriptor);
  if (node.final) return kBad;
  if (node.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    const Node* graph = node.node(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    if (!graph) return kBad;
    if (operations_of(*graph).size() > 1 && fake::setting("fuses") == 0) return kNo;
  }
  node.final = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t requested,
                                       int64_t* count, void* elements) {
  const Node& node = to_node(static_cast<const void*>(descriptor));
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      const auto engines = static_cast<int64_t>(kEngines.size());
      *count = fake::setting("engines") > 0 ? fake::setting("engines") : engines;
      for (int64_t i = 0; i < std::min(requested, *count); ++i)
        to_node(static_cast<void**>(elements)[i]).engine = static_cast<int>(i),
        to_node(static_cast<void**>(elements)[i]).graph =
            node.node(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      *count = 1;
      to_node(*static_cast<void**>(elements)).engine = node.engine;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: {
      const auto& notes = kEngines.at(static_cast<std::size_t>(node.engine));
      *count = static_cast<int64_t>(notes.size());
      std::ranges::copy(notes, static_cast<cudnnBackendNumericalNote_t*>(elements));
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      *count = 1;
      *static_cast<int64_t*>(elements) = fake::setting("workspace");
      return node.final ? CUDNN_STATUS_SUCCESS : kBad;
    default:
      return kBad;
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  if (fake::live().count(handle) == 0 || fake::live().count(plan) == 0 ||
      fake::live().count(pack) == 0 || !to_node(plan).final || !to_node(pack).final)
    return kBad;
  const Node* configuration = to_node(plan).node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!configuration) return kBad;
  fake::setting("engine") = configuration->engine;
  const auto bytes = static_cast<std::size_t>(fake::setting("workspace"));
  auto* workspace =
      static_cast<char*>(to_node(pack).value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE));
  if (bytes > 0) std::memset(workspace, 0xFF, bytes);
  Run run(to_node(pack));
  if (fake::live().count(configuration->graph) == 0) return kBad;
  for (const Node* operation : operations_of(*configuration->graph)) {
    if (!run.operation(*operation)) return CUDNN_STATUS_EXECUTION_FAILED;
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
