#include "apps/fold_evaluator.h"

#include <algorithm>

#include "apps/resolve.h"
#include "engine/io/weights.h"

namespace fovea::apps {
namespace {

LoaderOptions loading(const TrainConfig& config, const View& view, FoldEvaluatorOptions options) {
  return {.view = std::string(view.name),
          .batch = options.crops == Crops::kOversample ? 4 : 32,
          .transform = {.crop = static_cast<int>(config.data.crop),
                        .mean = std::move(options.mean),
                        .scale = config.data.scale},
          .crops = options.crops,
          .sampling = options.limit > 0 ? Sampling::kShuffle : Sampling::kInOrder,
          .seed = config.seed};
}

// One pass over a view is not worth holding it in the device's memory.
FeedKind feed_of(const Store& store, const BatchSource& source, bool host_batches) {
  if (host_batches) return FeedKind::kHost;
  return feeds_on_device(store, source.options(), resolve_execution().device, FeedKind::kAuto)
             ? FeedKind::kStreamed
             : FeedKind::kHost;
}

ExecutorOptions execution_for(FeedKind feed) {
  ExecutorOptions execution = resolve_execution();
  execution.device_inputs = feed != FeedKind::kHost;
  return execution;
}

// The main head is the last layer of every net of the study.
Graph main_head(const TrainConfig& config, const Store& store, const View& view,
                std::int64_t batch) {
  const LabelColumn& column = store.columns()[static_cast<std::size_t>(view.target)];
  const Graph graph = build_graph(configured_net(config, resolve_net(config.net), Phase::kDeploy,
                                                 batch, std::ssize(column.classes)));
  return prune_to(graph, {graph.nodes.back().tops[0]});
}

}  // namespace

FoldEvaluator::FoldEvaluator(const TrainConfig& config, const Store& store, const View& view,
                             FoldEvaluatorOptions options)
    : store_(store),
      source_(store, loading(config, view, options)),
      feed_(feed_of(store, source_, options.host_batches)),
      executor_(main_head(config, store, view, source_.batch_shape().n()), execution_for(feed_)),
      count_(options.limit > 0 ? std::min(options.limit, source_.epoch_size())
                               : source_.epoch_size()) {}

Predictions FoldEvaluator::predict(const WeightFile& model, const std::string& name) {
  load_all_weights(executor_, model, name);
  const std::int64_t records = source_.options().batch, crops = source_.batch_shape().n() / records;
  const int scores = executor_.graph().nodes.back().tops[0];
  const std::unique_ptr<Feed> feed = open_feed(store_, source_.options(), executor_, feed_);
  Predictions result;
  while (std::ssize(result.truth) < count_) {
    const std::span<const float> labels = feed->next();
    executor_.forward();
    const Tensor<float> p = executor_.tensor(scores);
    result.classes = static_cast<int>(p.shape.c());
    for (std::int64_t r = 0; r < records && std::ssize(result.truth) < count_; ++r) {
      std::vector<double> sum(static_cast<std::size_t>(p.shape.c()));
      for (std::int64_t i = r * crops; i < (r + 1) * crops; ++i) {
        for (std::size_t c = 0; c < sum.size(); ++c)
          sum[c] += static_cast<double>(p.view()(i, static_cast<std::int64_t>(c)));
      }
      for (const double s : sum) result.probabilities.push_back(s / static_cast<double>(crops));
      result.truth.push_back(static_cast<int>(labels[static_cast<std::size_t>(r)]));
    }
  }
  return result;
}

}  // namespace fovea::apps
