#include "engine/relevance/analyzer.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"
#include "engine/relevance/numerics.h"
#include "engine/relevance/places.h"
#include "engine/relevance/walk_memory.h"
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
  std::vector<std::vector<ImageSums>> sums;  // per tensor, per image
  std::vector<LayerRelevance> layers;
  std::vector<std::string> warnings;
  StepVisitor visitor;

  Impl(const Graph& full, const AnalyzerOptions& o)
      : options(o), bounds(input_bounds(o.mean, o.pixel_scale)) {
    for (const Node& node : full.nodes) names.push_back(node.name);
    if (options.last < 0) options.last = last_inner_product(full);
    executor =
        std::make_unique<Executor>(prune_to(full, ends_of_walk(full, options)),
                                   ExecutorOptions{.device = options.device, .keep_all = true});
    kernels = relevance_kernels(options.device, executor->device());
    walk = walk_steps(full, *executor, *kernels, options, known_bounds());
    const int last = graph().find_node(names[static_cast<std::size_t>(options.last)]);
    start_tensor = graph().nodes[static_cast<std::size_t>(last)].tops[0];
    memory = WalkMemory(*executor, walk, start_tensor, options.keep_all);
    sums.assign(graph().tensors.size(), std::vector<ImageSums>(images()));
    for (WalkStep& w : walk) w.step->bind(memory.binding_of(node_of(w)));
  }

  [[nodiscard]] const Graph& graph() const { return executor->graph(); }
  [[nodiscard]] Device& device() const { return executor->device(); }
  [[nodiscard]] const Node& node_of(const WalkStep& w) const {
    return graph().nodes[static_cast<std::size_t>(w.node)];
  }

  [[nodiscard]] const InputBounds* known_bounds() const {
    return bounds.low.shape.rank() == 3 ? &bounds : nullptr;
  }

  [[nodiscard]] std::size_t images() const {
    return static_cast<std::size_t>(executor->raw(start_tensor).shape.n());
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
  for (const WalkStep& w : impl_->walk) {
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
