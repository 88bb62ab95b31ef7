#include "engine/relevance/analyzer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/buffer.h"
#include "engine/graph/arena.h"
#include "engine/relevance/step.h"
#include "kernels/cpu/reorder.h"

namespace fovea {
namespace {

int last_inner_product(const Graph& graph) {
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (std::holds_alternative<InnerProductParams>(graph.nodes[i].op)) return static_cast<int>(i);
  }
  throw Error(str("no relevance for net ", graph.name,
                  ": it has no inner product layer to start from, expected --last LAYER"));
}

// Tensors that cannot be negative: behind a ReLU, and what pooling, LRN and the like make of those.
std::vector<bool> non_negative_tensors(const Graph& graph) {
  std::vector<bool> result(graph.tensors.size());
  for (const Node& node : graph.nodes) {
    bool all = !node.bottoms.empty();
    for (const int bottom : node.bottoms) all = all && result[static_cast<std::size_t>(bottom)];
    const auto* relu = std::get_if<ReluParams>(&node.op);
    const bool linear = std::holds_alternative<ConvolutionParams>(node.op) ||
                        std::holds_alternative<InnerProductParams>(node.op);
    const bool value = relu ? relu->slope == 0 || all
                            : std::holds_alternative<SoftmaxParams>(node.op) || (all && !linear);
    for (const int top : node.tops) result[static_cast<std::size_t>(top)] = value;
  }
  return result;
}

bool is_linear(const OpParams& op) {
  return std::holds_alternative<ConvolutionParams>(op) ||
         std::holds_alternative<InnerProductParams>(op);
}

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

}  // namespace

struct Analyzer::Impl {
  AnalyzerOptions options;
  std::vector<std::string> names;  // of the full net's nodes, by index
  int start_tensor = -1;           // in the pruned graph
  std::unique_ptr<Executor> executor;
  struct WalkStep {
    int node, full_node;
    std::unique_ptr<RelevanceStep> step;
    std::vector<std::size_t> params;  // executor's parameter indices
  };
  std::vector<WalkStep> walk;  // in walking order, last layer first
  Buffer<std::byte> arena;
  std::vector<std::size_t> offsets;  // of each tensor's relevance
  std::vector<bool> has_relevance;
  std::vector<LayerRelevance> layers;
  std::vector<cpu::AbsorbedSums> absorbed;

  Impl(const Graph& full, const AnalyzerOptions& o) : options(o) {
    for (const Node& node : full.nodes) names.push_back(node.name);
    if (options.last < 0) options.last = last_inner_product(full);
    require(options.last < std::ssize(full.nodes), "wrong value for --last: ", options.last,
            ", expected a layer index below ", full.nodes.size());
    require(options.first >= 0 && options.first < options.last,
            "wrong value for --first: ", options.first, ", expected 0 or more and below ",
            options.last);
    const Node& start = full.nodes[static_cast<std::size_t>(options.last)];
    executor =
        std::make_unique<Executor>(prune_to(full, ends_of(full, start)),
                                   ExecutorOptions{.device = options.device, .keep_all = true});
    require(executor->device().host_memory(), "no relevance on device ", options.device,
            ": its relevance kernels are not built, expected cpu | reference");
    build_walk(full);
    allocate();
    for (WalkStep& w : walk)
      w.step->bind(binding_of(graph().nodes[static_cast<std::size_t>(w.node)]));
    absorbed.resize(static_cast<std::size_t>(
        graph().tensors[static_cast<std::size_t>(start_tensor)].shape.n()));
  }

  [[nodiscard]] const Graph& graph() const { return executor->graph(); }

  // What has to be run: up to the start, and auxiliary heads where they send something down.
  [[nodiscard]] std::vector<int> ends_of(const Graph& full, const Node& start) const {
    std::vector<int> ends{start.tops[0]};
    for (int i = options.first; options.composite.auxiliary_softmax && i < options.last; ++i) {
      const Node& node = full.nodes[static_cast<std::size_t>(i)];
      if (std::holds_alternative<SoftmaxParams>(node.op)) ends.push_back(node.tops[0]);
    }
    return ends;
  }

  [[nodiscard]] std::unique_ptr<RelevanceStep> make_step(const RelevanceProblem& problem,
                                                         int index) const {
    const Composite& c = options.composite;
    const Node& node = *problem.node;
    if (!is_linear(node.op))
      return make_other_step(problem, {.max_pooling = c.max_pooling,
                                       .average_pooling = c.average_pooling,
                                       .lrn = c.lrn,
                                       .relu = c.relu});
    const RuleChoice& choice = c.choice_for(node, index, index == options.first);
    if (c.bias != BiasRule::kDistribute) return make_linear_step(problem, c.table_of(choice, node));
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
    start_tensor = graph()
                       .nodes[static_cast<std::size_t>(graph().find_node(
                           full.nodes[static_cast<std::size_t>(options.last)].name))]
                       .tops[0];
    std::vector<int> full_index(graph().nodes.size());
    for (std::size_t i = 0; i < full_index.size(); ++i)
      full_index[i] = full.find_node(graph().nodes[i].name);
    std::size_t param = executor->param_count();
    for (std::size_t i = graph().nodes.size(); i-- > 0;) {
      const Node& node = graph().nodes[i];
      param -= node.params.size();
      if (full_index[i] < options.first) continue;
      RelevanceProblem problem{
          .device = options.device,
          .node = &node,
          .values = {},
          .top = executor->raw(node.tops[0]),
          .non_negative_input = non_negative[static_cast<std::size_t>(node.bottoms[0])]};
      for (const int bottom : node.bottoms) problem.values.push_back(executor->raw(bottom));
      WalkStep step{
          .node = static_cast<int>(i), .full_node = full_index[i], .step = nullptr, .params = {}};
      if (!options.mean.values.empty()) problem.mean = &options.mean;
      step.step = make_step(problem, full_index[i]);
      for (std::size_t k = 0; k < node.params.size(); ++k) step.params.push_back(param + k);
      walk.push_back(std::move(step));
    }
  }

  // A tensor's relevance lives from the step that writes it (its consumer) to the step that reads
  // it (its producer).
  void allocate() {
    std::vector<Interval> lives(graph().tensors.size());
    has_relevance.assign(lives.size(), false);
    const int end = static_cast<int>(walk.size());
    const auto touch = [&](int tensor, int time) {
      const OpTensor t = executor->raw(tensor);
      Interval& life = lives[static_cast<std::size_t>(tensor)];
      if (!has_relevance[static_cast<std::size_t>(tensor)])
        life = {static_cast<std::size_t>(storage_count(t.shape, t.layout)) * sizeof(float), time,
                time};
      has_relevance[static_cast<std::size_t>(tensor)] = true;
      life.last = std::max(life.last, time);
      if (options.keep_all) life.last = end;
    };
    touch(start_tensor, 0);
    for (int t = 0; t < end; ++t) {
      const Node& node =
          graph().nodes[static_cast<std::size_t>(walk[static_cast<std::size_t>(t)].node)];
      for (const int top : node.tops) touch(top, t);
      for (const int bottom : node.bottoms) touch(bottom, t);
      if (t == end - 1) touch(node.bottoms[0], end);
    }
    const ArenaLayout layout = plan_arena(lives);
    offsets = layout.offsets;
    arena = Buffer<std::byte>(layout.bytes);
  }

  [[nodiscard]] OpTensor relevance(int tensor) const {
    expects(has_relevance[static_cast<std::size_t>(tensor)], "a tensor of the walk");
    OpTensor t = executor->raw(tensor);
    t.data = reinterpret_cast<float*>(arena.data() + offsets[static_cast<std::size_t>(tensor)]);
    return t;
  }

  [[nodiscard]] RelevanceBinding binding_of(const Node& node) const {
    RelevanceBinding binding;
    for (const int bottom : node.bottoms) {
      binding.values.push_back(executor->raw(bottom));
      binding.bottoms.push_back(relevance(bottom));
    }
    for (const int top : node.tops) binding.tops.push_back(relevance(top));
    return binding;
  }

  void seed(std::span<const int> targets, std::span<const float> start) {
    const OpTensor score = executor->raw(start_tensor), r = relevance(start_tensor);
    require(std::ssize(targets) == score.shape.n(), "wrong number of targets: ", targets.size(),
            ", expected ", score.shape.n());
    std::memset(r.data, 0,
                static_cast<std::size_t>(storage_count(r.shape, r.layout)) * sizeof(float));
    const std::int64_t classes = score.shape.c();
    for (std::size_t n = 0; n < targets.size(); ++n) {
      require(targets[n] < classes, "wrong target: class ", targets[n], ", expected a class below ",
              classes);
      if (targets[n] < 0) continue;
      const std::int64_t at =
          storage_index(r.shape, r.layout, static_cast<std::int64_t>(n), targets[n], 0, 0);
      r.data[at] = start.empty() ? score.data[at] : start[n];
    }
  }

  void run(std::span<const int> targets, std::span<const float> start) {
    seed(targets, start);
    layers.clear();
    for (WalkStep& w : walk) {
      std::ranges::fill(absorbed, cpu::AbsorbedSums{});
      w.step->run(absorbed);
      const Node& node = graph().nodes[static_cast<std::size_t>(w.node)];
      LayerRelevance layer{.name = node.name,
                           .node = w.full_node,
                           .sum = std::vector<double>(absorbed.size()),
                           .absorbed_bias = {},
                           .absorbed_epsilon = {}};
      std::vector<double> sums(absorbed.size());
      for (const int bottom : node.bottoms) {
        cpu::sum_per_image(relevance(bottom), sums);
        std::ranges::transform(layer.sum, sums, layer.sum.begin(), std::plus<>());
      }
      for (const cpu::AbsorbedSums& a : absorbed) {
        layer.absorbed_bias.push_back(a.bias);
        layer.absorbed_epsilon.push_back(a.epsilon);
      }
      layers.push_back(std::move(layer));
    }
  }

  [[nodiscard]] Tensor<float> plain(int tensor) const {
    const OpTensor from = relevance(tensor);
    Tensor<float> to(from.shape);
    reorder(from, {to.values.data(), to.shape, Layout::kPlain});
    return to;
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
  impl_->run(targets, start);
}

Tensor<float> Analyzer::input_relevance() const {
  Tensor<float> map = impl_->plain(
      impl_->graph().nodes[static_cast<std::size_t>(impl_->walk.back().node)].bottoms[0]);
  if (impl_->options.composite.channel_norm) to_channel_norm(map);
  return map;
}

Tensor<float> Analyzer::relevance_at(int node, std::size_t i) const {
  for (const Impl::WalkStep& w : impl_->walk) {
    if (w.full_node == node)
      return impl_->plain(impl_->graph().nodes[static_cast<std::size_t>(w.node)].bottoms.at(i));
  }
  throw Error(str("no relevance at layer ", node, ": the walk goes from ", impl_->options.last,
                  " to ", impl_->options.first));
}

const std::vector<LayerRelevance>& Analyzer::layers() const { return impl_->layers; }

std::vector<std::string> Analyzer::explain() const {
  std::vector<std::string> lines;
  for (const Impl::WalkStep& w : impl_->walk) {
    lines.push_back(impl_->names[static_cast<std::size_t>(w.full_node)] + ": " +
                    w.step->describe());
  }
  return lines;
}

}  // namespace fovea
