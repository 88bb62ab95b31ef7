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
    require(!found[k] || same_values(found[k]->shape, info.shape), "wrong shape in ", name_of_file,
            ": tensor ", info.name, ": ", found[k] ? found[k]->shape : Shape{}, ", expected ",
            info.shape);
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

void load_all_weights(Executor& executor, const std::filesystem::path& path) {
  const WeightReport report = load_weights(executor, read_weights(path), path.string());
  require(report.missing.empty(), "missing weights in ", path.string(), ": ",
          report.missing.empty() ? "" : report.missing[0],
          report.missing.size() > 1 ? str(" and ", report.missing.size() - 1, " more") : "",
          ", expected every parameter of net ", executor.graph().name);
}

void append_weights(const Executor& executor, WeightFile& file) {
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    file.tensors.emplace_back(executor.param_info(k).name,
                              Tensor<float>(executor.param_info(k).shape, executor.param(k)));
  }
}

}  // namespace fovea
