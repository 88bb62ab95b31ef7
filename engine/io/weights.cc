#include "engine/io/weights.h"

#include <algorithm>

#include "engine/io/caffemodel.h"

namespace fovea {
namespace {

// Legacy blobs are four-dimensional with leading ones: (1, 1, 1, K) holds a bias (K).
bool same_values(const Shape& file, const Shape& net) {
  if (file.count() != net.count()) return false;
  const int skip = file.rank() - net.rank();
  if (skip < 0) return false;
  for (int axis = 0; axis < file.rank(); ++axis) {
    if (file[axis] != (axis < skip ? 1 : net[axis - skip])) return false;
  }
  return true;
}

void require_shape(const Tensor<float>& tensor, const ParamInfo& info, const std::string& file) {
  require(same_values(tensor.shape, info.shape), "wrong shape in ", file, ": tensor ", info.name,
          ": ", tensor.shape, ", expected ", info.shape);
}

void require_none_missing(const std::vector<std::string>& missing, const std::string& file,
                          const std::string& net) {
  require(missing.empty(), "missing weights in ", file, ": ", missing.empty() ? "" : missing[0],
          missing.size() > 1 ? str(" and ", missing.size() - 1, " more") : "",
          ", expected every parameter of net ", net);
}

}  // namespace

WeightFile read_weights(const std::filesystem::path& path) {
  return path.extension() == ".caffemodel" ? read_caffemodel(path) : read_safetensors(path);
}

WeightReport load_weights(Executor& executor, const WeightFile& file,
                          const std::string& name_of_file) {
  WeightReport report;
  std::vector<const Tensor<float>*> found(executor.param_count());
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    const ParamInfo& info = executor.param_info(k);
    found[k] = file.find(info.name);
    (found[k] ? report.matched : report.missing).push_back(info.name);
    if (found[k]) require_shape(*found[k], info, name_of_file);
  }
  for (const auto& [name, tensor] : file.tensors) {
    const bool used = std::ranges::find(report.matched, name) != report.matched.end();
    if (!used && !name.starts_with("__")) report.unused.push_back(name);
  }
  for (std::size_t k = 0; k < found.size(); ++k) {
    if (found[k]) executor.set_param(k, found[k]->values);
  }
  executor.params_updated();
  return report;
}

void load_all_weights(Executor& executor, const WeightFile& file, const std::string& name_of_file) {
  const WeightReport report = load_weights(executor, file, name_of_file);
  require_none_missing(report.missing, name_of_file, executor.graph().name);
}

void load_all_weights(Executor& executor, const std::filesystem::path& path) {
  load_all_weights(executor, read_weights(path), path.string());
}

NamedTensors take_weights(const Graph& graph, WeightFile& file, const std::string& name_of_file,
                          bool all) {
  NamedTensors taken;
  std::vector<std::string> missing;
  for (const Node& node : graph.nodes) {
    for (const ParamInfo& info : node.params) {
      const auto found = std::ranges::find(file.tensors, info.name,
                                           [](const auto& tensor) { return tensor.first; });
      if (found == file.tensors.end()) {
        missing.push_back(info.name);
        continue;
      }
      require_shape(found->second, info, name_of_file);
      found->second.shape = info.shape;
      taken.push_back(std::move(*found));
      file.tensors.erase(found);
    }
  }
  if (all) require_none_missing(missing, name_of_file, graph.name);
  return taken;
}

void append_weights(const Executor& executor, WeightFile& file) {
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    file.tensors.emplace_back(executor.param_info(k).name,
                              Tensor<float>(executor.param_info(k).shape, executor.param(k)));
  }
}

}  // namespace fovea
