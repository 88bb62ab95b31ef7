#include "engine/relevance/analyzer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"
#include "engine/core/fields.h"
#include "engine/graph/arena.h"
#include "engine/relevance/numerics.h"
#include "engine/relevance/places.h"
#include "engine/relevance/step.h"

namespace fovea {
namespace {

// Every channel of a pixel becomes the pixel's norm over the channels.
void to_channel_norm(Tensor<float>& map) {
  const std::int64_t channels = map.shape.c(), plane = map.shape.h() * map.shape.w();
  for (std::int64_t n = 0; n < map.shape.n(); ++n) {
    float* image = map.values.data() + n * channels * plane;
    for (std::int64_t i = 0; i < plane; ++i) {
      double sum = 0;
      for (std::int64_t c = 0; c < channels; ++c)
        sum +=
            static_cast<double>(image[c * plane + i]) * static_cast<double>(image[c * plane + i]);
      for (std::int64_t c = 0; c < channels; ++c)
        image[c * plane + i] = static_cast<float>(std::sqrt(sum));
    }
  }
}

// What pixels 0 and 255 are to the net.
InputBounds input_bounds(const Tensor<float>& mean, float scale) {
  InputBounds bounds;
  if (mean.shape.rank() != 3) return bounds;
  bounds.low = bounds.high = mean;
  for (float& value : bounds.low.values) value = (0 - value) * scale;
  for (float& value : bounds.high.values) value = (255 - value) * scale;
  return bounds;
}

std::size_t bytes_of(const OpTensor& t) {
  return static_cast<std::size_t>(storage_count(t.shape, t.layout)) * sizeof(float);
}

}  // namespace

struct Analyzer::Impl {
  AnalyzerOptions options;
  InputBounds bounds;
  std::vector<std::string> names;  // of the full net's nodes, by index
  int start_tensor = -1;           // in the pruned graph
  std::unique_ptr<Executor> executor;
  std::unique_ptr<RelevanceKernels> kernels;
  struct WalkStep {
    int node, full_node;
    std::unique_ptr<RelevanceStep> step;
    std::vector<std::size_t> params;    // executor's parameter indices
    std::vector<bool> keep;             // channels of top 0; empty: all
    std::optional<RelevanceRule> rule;  // linear layers whose biases are not distributed
  };
  std::vector<WalkStep> walk;  // in walking order, last layer first
  DeviceBuffer<std::byte> arena, scratch;
  std::vector<int> storage;                  // per tensor; tensors that pass as they are share one
  std::vector<std::size_t> offsets;          // of each storage
  std::vector<bool> has_relevance;           // per tensor
  std::vector<std::vector<ImageSums>> sums;  // per tensor, per image
  std::vector<LayerRelevance> layers;
  std::vector<std::string> warnings;
  StepVisitor visitor;

  Impl(const Graph& full, const AnalyzerOptions& o)
      : options(o), bounds(input_bounds(o.mean, o.pixel_scale)) {
    for (const Node& node : full.nodes) names.push_back(node.name);
    if (options.last < 0) options.last = last_inner_product(full);
    require(options.last < std::ssize(full.nodes), "wrong value for --last: ", options.last,
            ", expected a layer index below ", full.nodes.size());
    require(options.first >= 0 && options.first <= options.last,
            "wrong value for --first: ", options.first, ", expected 0 or more and at most ",
            options.last);
    const Node& start = full.nodes[static_cast<std::size_t>(options.last)];
    executor =
        std::make_unique<Executor>(prune_to(full, ends_of(full, start)),
                                   ExecutorOptions{.device = options.device, .keep_all = true});
    kernels = relevance_kernels(options.device, executor->device());
    build_walk(full);
    choose_channels();
    allocate();
    for (WalkStep& w : walk) w.step->bind(binding_of(node_of(w)));
  }

  [[nodiscard]] const Graph& graph() const { return executor->graph(); }
  [[nodiscard]] Device& device() const { return executor->device(); }
  [[nodiscard]] const Node& node_of(const WalkStep& w) const {
    return graph().nodes[static_cast<std::size_t>(w.node)];
  }

  // What has to be run: up to the start, and auxiliary heads where they send something down.
  [[nodiscard]] std::vector<int> ends_of(const Graph& full, const Node& start) const {
    std::vector<int> ends{start.tops[0]};
    for (int i = options.first; options.composite.auxiliary_softmax && i < options.last; ++i) {
      const Node& node = full.nodes[static_cast<std::size_t>(i)];
      if (std::holds_alternative<SoftmaxParams>(node.op)) ends.push_back(node.tops[0]);
    }
    return ends;
  }

  [[nodiscard]] OtherRules other_rules() const {
    const Composite& c = options.composite;
    return {.max_pooling = c.max_pooling,
            .average_pooling = c.average_pooling,
            .lrn = c.lrn,
            .relu = c.relu};
  }

  [[nodiscard]] std::unique_ptr<RelevanceStep> make_step(const RelevanceProblem& problem,
                                                         const LayerPlace& place,
                                                         std::optional<RelevanceRule>& rule) const {
    const Composite& c = options.composite;
    const Node& node = *problem.node;
    if (!is_linear(node.op)) return make_other_step(problem, other_rules());
    const RuleChoice& choice = c.choice_for(node, place);
    if (c.bias != BiasRule::kDistribute) {
      rule = c.table_of(choice, node);
      return make_linear_step(problem, *rule);
    }
    switch (choice.rule) {
      case LinearRuleName::kEpsilon:
        return make_distributed_step(problem, choice.epsilon, -1);
      case LinearRuleName::kAlphaBeta:
        return make_distributed_step(problem, 0, choice.beta);
      case LinearRuleName::kZPlus:
        return make_distributed_step(problem, 0, 0);
      default:
        throw Error(str("no --bias distribute for layer ", node.name, " by rule ",
                        enum_name(choice.rule), ", expected epsilon, alpha_beta or z_plus"));
    }
  }

  void build_walk(const Graph& full) {
    const std::vector<bool> non_negative = non_negative_tensors(graph());
    const std::vector<int> depths = linear_depths(graph());
    start_tensor = graph()
                       .nodes[static_cast<std::size_t>(graph().find_node(
                           full.nodes[static_cast<std::size_t>(options.last)].name))]
                       .tops[0];
    std::size_t param = executor->param_count();
    for (std::size_t i = graph().nodes.size(); i-- > 0;) {
      const Node& node = graph().nodes[i];
      param -= node.params.size();
      const int full_index = full.find_node(node.name);
      if (full_index < options.first) continue;
      RelevanceProblem problem{
          .device = options.device,
          .kernels = kernels.get(),
          .node = &node,
          .values = {},
          .top = executor->raw(node.tops[0]),
          .non_negative_input = non_negative[static_cast<std::size_t>(node.bottoms[0])],
          .bounds = bounds.low.shape.rank() == 3 ? &bounds : nullptr};
      for (const int bottom : node.bottoms) problem.values.push_back(executor->raw(bottom));
      WalkStep step{.node = static_cast<int>(i), .full_node = full_index, .step = nullptr};
      step.step = make_step(problem,
                            {.index = full_index,
                             .depth = depths[i],
                             .first = full_index == options.first,
                             .last = full_index == options.last},
                            step.rule);
      for (std::size_t k = 0; k < node.params.size(); ++k) step.params.push_back(param + k);
      walk.push_back(std::move(step));
    }
  }

  void choose_channels() {
    for (const ChannelChoice& choice : options.channels) {
      const auto w = std::ranges::find(walk, choice.node, &WalkStep::full_node);
      require(w != walk.end(), "wrong layer for --channels: ",
              choice.node >= 0 && choice.node < std::ssize(names)
                  ? names[static_cast<std::size_t>(choice.node)]
                  : str(choice.node),
              ", expected one that the walk goes through");
      const std::int64_t channels =
          graph().tensors[static_cast<std::size_t>(node_of(*w).tops[0])].shape.c();
      w->keep.resize(static_cast<std::size_t>(channels));
      for (const int channel : choice.channels) {
        require(channel >= 0 && channel < channels, "wrong channel for --channels ",
                node_of(*w).name, ": ", channel, ", expected one below ", channels);
        w->keep[static_cast<std::size_t>(channel)] = true;
      }
    }
  }

  // Bottoms of steps that pass relevance as it is show their top's memory.
  void share_storage() {
    storage.resize(graph().tensors.size());
    std::iota(storage.begin(), storage.end(), 0);
    for (const WalkStep& w : walk) {
      if (!w.step->passes()) continue;
      const int top = node_of(w).tops[0], bottom = node_of(w).bottoms[0];
      const OpTensor a = executor->raw(top), b = executor->raw(bottom);
      if (a.layout == b.layout &&
          storage_count(a.shape, a.layout) == storage_count(b.shape, b.layout))
        storage[static_cast<std::size_t>(bottom)] = storage[static_cast<std::size_t>(top)];
    }
  }

  // A tensor's relevance lives from the step that writes it (its consumer) to the step that reads
  // it (its producer).
  void allocate() {
    share_storage();
    std::vector<Interval> lives(storage.size());
    std::vector<bool> touched(storage.size());
    has_relevance.assign(storage.size(), false);
    const int end = static_cast<int>(walk.size());
    const auto touch = [&](int tensor, int time) {
      const auto at = static_cast<std::size_t>(storage[static_cast<std::size_t>(tensor)]);
      Interval& life = lives[at];
      if (!touched[at]) life = {0, time, time};
      touched[at] = has_relevance[static_cast<std::size_t>(tensor)] = true;
      life.bytes = std::max(life.bytes, bytes_of(executor->raw(tensor)));
      life.last = std::max(life.last, options.keep_all ? end : time);
    };
    touch(start_tensor, 0);
    for (int t = 0; t < end; ++t) {
      const Node& node = node_of(walk[static_cast<std::size_t>(t)]);
      for (const int top : node.tops) touch(top, t);
      for (const int bottom : node.bottoms) touch(bottom, t);
      if (t == end - 1) touch(node.bottoms[0], end);
    }
    const ArenaLayout layout = plan_arena(lives);
    offsets = layout.offsets;
    arena = DeviceBuffer<std::byte>(device(), layout.bytes);
    std::size_t bytes = 0;
    for (const WalkStep& w : walk) bytes = std::max(bytes, w.step->scratch_bytes());
    scratch = DeviceBuffer<std::byte>(device(), bytes);
    sums.assign(storage.size(), std::vector<ImageSums>(images()));
  }

  [[nodiscard]] std::size_t images() const {
    return static_cast<std::size_t>(executor->raw(start_tensor).shape.n());
  }

  [[nodiscard]] OpTensor relevance(int tensor) const {
    const auto at = static_cast<std::size_t>(tensor);
    expects(has_relevance[at], "a tensor of the walk");
    OpTensor t = executor->raw(tensor);
    t.data =
        reinterpret_cast<float*>(arena.data() + offsets[static_cast<std::size_t>(storage[at])]);
    return t;
  }

  [[nodiscard]] RelevanceBinding binding_of(const Node& node) {
    RelevanceBinding binding{.scratch = scratch.data()};
    for (const int bottom : node.bottoms) {
      binding.values.push_back(executor->raw(bottom));
      binding.bottoms.push_back(relevance(bottom));
    }
    for (const int top : node.tops) {
      binding.top_values.push_back(executor->raw(top));
      binding.tops.push_back(relevance(top));
    }
    return binding;
  }

  // Relevance at the start: nothing but what `starts` says.
  void seed(std::span<const std::vector<StartUnit>> starts, std::span<const float> values) {
    const bool by_score = values.empty() && options.composite.start == StartRule::kScore;
    const Tensor<float> score = by_score ? executor->tensor(start_tensor) : Tensor<float>();
    Tensor<float> r(executor->raw(start_tensor).shape);
    const Shape& s = r.shape;
    require(std::ssize(starts) == s.n(), "wrong number of targets: ", starts.size(), ", expected ",
            s.n());
    const auto positions = static_cast<std::size_t>(s.h() * s.w());
    for (std::size_t n = 0; n < starts.size(); ++n) {
      for (const StartUnit& start : starts[n]) {
        require(start.unit >= 0 && start.unit < s.c(), "wrong target: class ", start.unit,
                ", expected a class below ", s.c());
        const std::size_t first =
            (n * static_cast<std::size_t>(s.c()) + static_cast<std::size_t>(start.unit)) *
            positions;
        for (std::size_t at = first; at < first + positions; ++at) {
          const float value = !values.empty() ? values[n] : by_score ? score.values[at] : 1.0F;
          r.values[at] += start.weight * value;
        }
      }
    }
    upload_plain(device(), r.view(), relevance(start_tensor));
    run();
  }

  void run() {
    layers.clear();
    warnings.clear();
    auto& start = sums[static_cast<std::size_t>(start_tensor)];
    kernels->sum_per_image(relevance(start_tensor), start);
    for (std::size_t n = 0; n < start.size(); ++n) {
      if (!std::isfinite(start[n].magnitude))
        warnings.push_back(str("image ", n, ", layer ",
                               names[static_cast<std::size_t>(options.last)],
                               ": the relevance that the walk starts with is not finite"));
    }
    for (WalkStep& w : walk) run_step(w);
  }

  void run_step(WalkStep& w) {
    const Node& node = node_of(w);
    if (!w.keep.empty()) {
      kernels->keep_channels(w.keep, relevance(node.tops[0]));
      kernels->sum_per_image(relevance(node.tops[0]), sums[static_cast<std::size_t>(node.tops[0])]);
    }
    std::vector<AbsorbedSums> absorbed;
    const auto work = [&] {
      absorbed.assign(images(), {});
      w.step->run(absorbed);
    };
    if (visitor && !w.step->passes()) {
      visitor(node, w.step->describe(), work);
    } else {
      work();
    }
    std::vector<StepSums> step(images());
    for (std::size_t n = 0; n < step.size(); ++n) step[n].absorbed = absorbed[n];
    const auto add = [&](int tensor, ImageSums StepSums::*side) {
      for (std::size_t n = 0; n < step.size(); ++n) {
        const ImageSums& of = sums[static_cast<std::size_t>(tensor)][n];
        (step[n].*side).sum += of.sum, (step[n].*side).magnitude += of.magnitude;
      }
    };
    for (const int top : node.tops) add(top, &StepSums::tops);
    std::vector<OpTensor> bottoms;
    for (const int bottom : node.bottoms) {
      bottoms.push_back(relevance(bottom));
      auto& of = sums[static_cast<std::size_t>(bottom)];
      if (w.step->passes()) {
        of = sums[static_cast<std::size_t>(node.tops[0])];
      } else {
        kernels->sum_per_image(bottoms.back(), of);
      }
      add(bottom, &StepSums::bottoms);
    }
    record(w, step);
    for (std::string& line :
         step_warnings(node.name, device(), *w.step, bottoms, relevance(node.tops[0]), step))
      warnings.push_back(std::move(line));
  }

  void record(const WalkStep& w, std::span<const StepSums> step) {
    LayerRelevance layer{.name = node_of(w).name, .node = w.full_node};
    for (const StepSums& s : step) {
      layer.incoming.push_back(s.tops.sum);
      layer.sum.push_back(s.bottoms.sum);
      layer.absorbed_bias.push_back(s.absorbed.bias);
      layer.absorbed_epsilon.push_back(s.absorbed.epsilon);
      layer.absorbed_padding.push_back(s.absorbed.padding);
    }
    layers.push_back(std::move(layer));
  }

  [[nodiscard]] Tensor<float> plain(int tensor) const {
    return download_plain(device(), relevance(tensor));
  }

  [[nodiscard]] StepError verify(const WalkStep& w, std::int64_t n) const {
    const Node& node = node_of(w);
    const auto image = [&](const Tensor<float>& all) {
      const auto size = static_cast<std::ptrdiff_t>(all.shape.count_from(1));
      Tensor<float> one;
      one.shape = all.shape;
      one.shape[0] = 1;
      one.values.assign(all.values.begin() + n * size, all.values.begin() + (n + 1) * size);
      return one;
    };
    VerifyProblem problem{.node = &node,
                          .other = other_rules(),
                          .rule = w.rule ? &*w.rule : nullptr,
                          .bounds = bounds.low.shape.rank() == 3 ? &bounds : nullptr};
    for (const int bottom : node.bottoms) {
      problem.values.push_back(image(executor->tensor(bottom)));
      problem.bottoms.push_back(image(plain(bottom)));
    }
    for (const int top : node.tops) problem.tops.push_back(image(plain(top)));
    if (!w.params.empty()) problem.weight = executor->param(w.params[0]);
    if (w.params.size() > 1) problem.bias = executor->param(w.params[1]);
    return verify_step(problem);
  }

  [[nodiscard]] Tensor<float> map() const {
    const int tensor = node_of(walk.back()).bottoms[0];
    Tensor<float> map = plain(tensor);
    switch (options.composite.map) {
      case MapRule::kRelevance:
        break;
      case MapRule::kTimesInput:
        std::ranges::transform(map.values, executor->tensor(tensor).values, map.values.begin(),
                               std::multiplies<>());
        break;
      case MapRule::kSquare:
        for (float& value : map.values) value *= value;
        break;
      case MapRule::kChannelNorm:
        to_channel_norm(map);
        break;
    }
    return map;
  }
};

Analyzer::Analyzer(const Graph& graph, const AnalyzerOptions& options)
    : impl_(std::make_unique<Impl>(graph, options)) {}
Analyzer::~Analyzer() = default;

Executor& Analyzer::executor() { return *impl_->executor; }

void Analyzer::weights_changed() {
  impl_->executor->params_updated();
  for (Impl::WalkStep& w : impl_->walk) {
    if (w.params.empty()) continue;
    const std::vector<float> bias =
        w.params.size() > 1 ? impl_->executor->param(w.params[1]) : std::vector<float>{};
    w.step->set_params(impl_->executor->param(w.params[0]), bias);
  }
}

void Analyzer::forward() { impl_->executor->forward(); }
Tensor<float> Analyzer::scores() const { return impl_->executor->tensor(impl_->start_tensor); }

void Analyzer::run(std::span<const int> targets, std::span<const float> start) {
  std::vector<std::vector<StartUnit>> starts;
  for (const int target : targets) {
    starts.emplace_back();
    if (target >= 0) starts.back().push_back({.unit = target});
  }
  impl_->seed(starts, start);
}
void Analyzer::run(std::span<const std::vector<StartUnit>> starts, std::optional<float> value) {
  impl_->seed(starts, value ? std::vector<float>(starts.size(), *value) : std::vector<float>{});
}
void Analyzer::run_from(TensorView<const float> relevance) {
  const OpTensor r = impl_->relevance(impl_->start_tensor);
  require(relevance.shape == r.shape, "wrong initial relevance: ", relevance.shape, ", expected ",
          r.shape);
  upload_plain(impl_->device(), relevance, r);
  impl_->run();
}

void Analyzer::visit_steps(StepVisitor visitor) { impl_->visitor = std::move(visitor); }

Tensor<float> Analyzer::input_relevance() const { return impl_->map(); }

Tensor<float> Analyzer::relevance_at(int node, std::size_t i) const {
  for (const Impl::WalkStep& w : impl_->walk) {
    if (w.full_node == node) return impl_->plain(impl_->node_of(w).bottoms.at(i));
  }
  throw Error(str("no relevance at layer ", node, ": the walk goes from ", impl_->options.last,
                  " to ", impl_->options.first));
}

const std::vector<LayerRelevance>& Analyzer::layers() const { return impl_->layers; }
const std::vector<std::string>& Analyzer::warnings() const { return impl_->warnings; }
std::vector<StepError> Analyzer::verify(std::int64_t n) const {
  expects(impl_->options.keep_all, "an analyzer that keeps every layer's relevance");
  std::vector<StepError> errors;
  for (const Impl::WalkStep& w : impl_->walk) {
    const OpParams& op = impl_->node_of(w).op;
    if (std::holds_alternative<SoftmaxParams>(op) || (is_linear(op) && !w.rule)) continue;
    errors.push_back(impl_->verify(w, n));
  }
  return errors;
}

const Composite& Analyzer::composite() const { return impl_->options.composite; }

std::size_t Analyzer::bytes() const {
  std::size_t bytes = impl_->executor->peak_bytes() + impl_->arena.size() + impl_->scratch.size();
  for (const Impl::WalkStep& w : impl_->walk) bytes += w.step->own_bytes();
  return bytes;
}

std::vector<std::string> Analyzer::explain() const {
  std::vector<std::string> lines;
  for (const Impl::WalkStep& w : impl_->walk) {
    lines.push_back(impl_->names[static_cast<std::size_t>(w.full_node)] + ": " +
                    w.step->describe());
  }
  return lines;
}

}  // namespace fovea
