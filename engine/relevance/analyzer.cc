#include "engine/relevance/analyzer.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"
#include "engine/relevance/places.h"
#include "engine/relevance/walk_memory.h"
#include "engine/relevance/walk_run.h"
#include "engine/relevance/walk_steps.h"

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

}  // namespace

struct Analyzer::Impl {
  AnalyzerOptions options;
  InputBounds bounds;
  std::vector<std::string> names;  // of the full net's nodes, by index
  int start_tensor = -1;           // in the pruned graph
  std::unique_ptr<Executor> executor;
  std::unique_ptr<RelevanceKernels> kernels;
  std::vector<WalkStep> walk;  // in walking order, last layer first
  WalkMemory memory;
  std::optional<WalkRun> run;

  Impl(const Graph& full, const AnalyzerOptions& o)
      : options(o), bounds(input_bounds(o.mean, o.pixel_scale)) {
    for (const Node& node : full.nodes) names.push_back(node.name);
    if (options.last < 0) options.last = last_inner_product(full);
    executor =
        std::make_unique<Executor>(prune_to(full, ends_of_walk(full, options)),
                                   ExecutorOptions{.device = options.device, .keep_all = true});
    kernels = relevance_kernels(options.device, executor->device());
    const UseDevice use(executor->device());
    walk = walk_steps(full, *executor, *kernels, options, known_bounds());
    const int last = graph().find_node(names[static_cast<std::size_t>(options.last)]);
    start_tensor = graph().nodes[static_cast<std::size_t>(last)].tops[0];
    memory = WalkMemory(*executor, walk, start_tensor, options.keep_all);
    run.emplace(*executor, *kernels, walk, memory, start_tensor,
                names[static_cast<std::size_t>(options.last)]);
  }

  [[nodiscard]] const Graph& graph() const { return executor->graph(); }
  [[nodiscard]] Device& device() const { return executor->device(); }
  [[nodiscard]] const Node& node_of(const WalkStep& w) const {
    return graph().nodes[static_cast<std::size_t>(w.node)];
  }

  [[nodiscard]] const InputBounds* known_bounds() const {
    return bounds.low.shape.rank() == 3 ? &bounds : nullptr;
  }

  [[nodiscard]] OpTensor relevance(int tensor) const { return memory.at(tensor); }

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
    run->run(r.view());
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
                          .other = other_rules(options.composite),
                          .rule = w.rule ? &*w.rule : nullptr,
                          .bounds = known_bounds()};
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
  for (WalkStep& w : impl_->walk) {
    if (w.params.empty()) continue;
    const std::vector<float> bias =
        w.params.size() > 1 ? impl_->executor->param(w.params[1]) : std::vector<float>{};
    w.step->set_params(impl_->executor->param(w.params[0]), bias);
  }
  impl_->run->steps_changed();
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
  const Shape& shape = impl_->executor->raw(impl_->start_tensor).shape;
  require(relevance.shape == shape, "wrong initial relevance: ", relevance.shape, ", expected ",
          shape);
  impl_->run->run(relevance);
}

void Analyzer::visit_steps(StepVisitor visitor) { impl_->run->visit_steps(std::move(visitor)); }

Tensor<float> Analyzer::input_relevance() const { return impl_->map(); }

Tensor<float> Analyzer::relevance_at(int node, std::size_t i) const {
  for (const WalkStep& w : impl_->walk) {
    if (w.full_node == node) return impl_->plain(impl_->node_of(w).bottoms.at(i));
  }
  throw Error(str("no relevance at layer ", node, ": the walk goes from ", impl_->options.last,
                  " to ", impl_->options.first));
}

const std::vector<LayerRelevance>& Analyzer::layers() const { return impl_->run->layers(); }
const std::vector<std::string>& Analyzer::warnings() const { return impl_->run->warnings(); }
std::vector<StepError> Analyzer::verify(std::int64_t n) const {
  expects(impl_->options.keep_all, "an analyzer that keeps every layer's relevance");
  std::vector<StepError> errors;
  for (const WalkStep& w : impl_->walk) {
    const OpParams& op = impl_->node_of(w).op;
    if (std::holds_alternative<SoftmaxParams>(op) || (is_linear(op) && !w.rule)) continue;
    errors.push_back(impl_->verify(w, n));
  }
  return errors;
}

const Composite& Analyzer::composite() const { return impl_->options.composite; }

std::size_t Analyzer::bytes() const {
  std::size_t bytes = impl_->executor->peak_bytes() + impl_->memory.bytes();
  for (const WalkStep& w : impl_->walk) bytes += w.step->own_bytes();
  return bytes;
}

std::vector<std::string> Analyzer::explain() const {
  std::vector<std::string> lines;
  for (const WalkStep& w : impl_->walk) {
    lines.push_back(impl_->names[static_cast<std::size_t>(w.full_node)] + ": " +
                    w.step->describe());
  }
  return lines;
}

}  // namespace fovea
