#include "engine/train/caffe_config.h"

#include <algorithm>
#include <set>

#include "engine/core/json_fields.h"
#include "engine/graph/net_json.h"
#include "engine/train/solver.h"

namespace fovea {
namespace {

// Fields of caffe.proto's SolverParameter that a config has, and those that do not concern it:
// testing, names of files, the machine, and what only other solvers than SGD read.
const std::vector<std::string> kUsed{"net",
                                     "train_net",
                                     "base_lr",
                                     "lr_policy",
                                     "gamma",
                                     "power",
                                     "stepsize",
                                     "stepvalue",
                                     "max_iter",
                                     "momentum",
                                     "snapshot",
                                     "weight_decay",
                                     "regularization_type",
                                     "iter_size",
                                     "clip_gradients",
                                     "display",
                                     "random_seed",
                                     "type",
                                     "solver_type"};
const std::vector<std::string> kUnused{"test_net",
                                       "test_iter",
                                       "test_interval",
                                       "test_initialization",
                                       "solver_mode",
                                       "snapshot_prefix",
                                       "snapshot_after_train",
                                       "test_compute_loss",
                                       "device_id",
                                       "snapshot_diff",
                                       "snapshot_format",
                                       "average_loss",
                                       "debug_info",
                                       "delta",
                                       "momentum2",
                                       "rms_decay",
                                       "layer_wise_reduce"};

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// Keys of a config's solver that only some policies use.
const std::set<std::string> kPolicyKeys{"gamma", "power", "stepsize", "stepvalues", "warmup"};

std::set<std::string> keys_of(LrPolicy policy) {
  switch (policy) {
    case LrPolicy::kFixed:
    case LrPolicy::kCosine:
      return {};
    case LrPolicy::kStep:
    case LrPolicy::kSigmoid:
      return {"gamma", "stepsize"};
    case LrPolicy::kExp:
      return {"gamma"};
    case LrPolicy::kInv:
      return {"gamma", "power"};
    case LrPolicy::kMultistep:
      return {"gamma", "stepvalues"};
    case LrPolicy::kPoly:
      return {"power"};
  }
  return {};
}

bool same_filler(const Filler& a, const Filler& b) {
  if (a.type != b.type) return false;
  switch (a.type) {
    case FillerType::kConstant:
      return a.value == b.value;
    case FillerType::kUniform:
      return a.min == b.min && a.max == b.max;
    case FillerType::kGaussian:
      return a.mean == b.mean && a.std == b.std;
    case FillerType::kXavier:
    case FillerType::kMsra:
      return true;
  }
  return false;
}

// Whether `theirs` starts as `ours`, or does not say how; leaves both with the same fillers.
template <class Linear>
bool settle_fillers(Linear& ours, Linear& theirs) {
  const Filler none;
  const bool same = same_filler(theirs.weight_filler, none) ||
                    (same_filler(ours.weight_filler, theirs.weight_filler) &&
                     same_filler(ours.bias_filler, theirs.bias_filler));
  ours.weight_filler = ours.bias_filler = theirs.weight_filler = theirs.bias_filler = none;
  return same;
}

bool same_operation(OpParams ours, OpParams theirs) {
  if (ours.index() != theirs.index()) return false;
  bool same = true;
  if (auto* c = std::get_if<ConvolutionParams>(&ours))
    same = settle_fillers(*c, std::get<ConvolutionParams>(theirs));
  if (auto* p = std::get_if<InnerProductParams>(&ours))
    same = settle_fillers(*p, std::get<InnerProductParams>(theirs));
  return same && ours == theirs;
}

bool same_training(const NetDefinition& ours, const NetDefinition& theirs) {
  return std::ranges::equal(ours.layers, theirs.layers,
                            [](const LayerDefinition& a, const LayerDefinition& b) {
                              const auto x = first_multipliers(a), y = first_multipliers(b);
                              return a.name == b.name && a.bottoms == b.bottoms &&
                                     a.tops == b.tops && x == y && same_operation(a.op, b.op);
                            });
}

}  // namespace

CaffeSolver import_caffe_solver(const ProtoMessage& solver) {
  CaffeSolver result;
  std::vector<std::string> known = kUsed;
  known.insert(known.end(), kUnused.begin(), kUnused.end());
  for (const ProtoField& field : solver.fields) {
    require(is_in(known, field.name), "unknown field in ", field.where, ": '", field.name,
            "', expected one of a Caffe solver that has a meaning here",
            did_you_mean(field.name, known));
    require(field.message.empty(), "wrong value in ", field.where, ": ", field.name,
            ": a message, expected one value");
    if (is_in(kUnused, field.name) && !is_in(result.unused, field.name))
      result.unused.push_back(field.name);
    if (field.name == "net" || field.name == "train_net")
      result.net = field.value, result.where = field.where;
    if (field.name == "random_seed" && field.integer() >= 0)
      result.seed = static_cast<std::uint64_t>(field.integer());
  }
  const SolverParams params = caffe_solver(solver);
  require(params.policy != LrPolicy::kStep || solver.find("stepsize"), "missing field in ",
          solver.where, ": stepsize, expected with lr_policy step");
  const std::set<std::string> wanted = keys_of(params.policy);
  result.solver = Json::object();
  const Json all = write_json(params), standard = write_json(SolverParams{});
  for (const auto& [key, value] : all.items()) {
    if (kPolicyKeys.contains(key) && !wanted.contains(key)) continue;
    const bool option = key == "regularization" || key == "iter_size" || key == "clip_gradients";
    if (!option || value != standard[key]) result.solver[key] = value;
  }
  return result;
}

std::optional<Json> parameters_of_same_net(const Json& json, const std::string& file,
                                           const NetDefinition& theirs, std::int64_t classes) {
  const Json usual = json.value("parameters", Json::object());
  NetOptions options{.phase = Phase::kTrain, .batch = 1};
  if (usual.contains("classes")) options.parameters["classes"] = classes;
  const NetDefinition ours = json_net(json, options, file);
  if (ours.layers.size() != theirs.layers.size()) return std::nullopt;
  Json changed = Json::object();
  for (const auto& [key, value] : usual.items()) {
    for (std::size_t i = 0; i < ours.layers.size(); ++i) {
      if (!value.is_string() || ours.layers[i].name != value.get<std::string>()) continue;
      options.parameters[key] = theirs.layers[i].name;  // a layer's name is a parameter
      if (theirs.layers[i].name != value.get<std::string>()) changed[key] = theirs.layers[i].name;
    }
  }
  if (!same_training(json_net(json, options, file), theirs)) return std::nullopt;
  return changed;
}

SourceWords words_of_source(const std::string& source) {
  std::set<std::string> words;
  std::string word;
  for (const char c : source + "/") {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      word += static_cast<char>(c | 0x20);
    } else {
      words.insert(word);
      word.clear();
    }
  }
  SourceWords result;
  for (const char* target : {"age", "gender"}) {
    if (words.contains(target)) result.target = target;
  }
  for (const char* alignment : {"aligned", "unaligned", "mixed"}) {
    if (words.contains(alignment)) result.alignment = alignment;
  }
  return result;
}

}  // namespace fovea
