#include "engine/train/data_parallel.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops/batch_share.h"

namespace fovea {
namespace {

// The input that a tensor is, but for fan-out; -1 = it is computed.
int input_behind(const Graph& graph, int tensor) {
  for (;;) {
    const int producer = graph.tensors[static_cast<std::size_t>(tensor)].producer;
    if (producer < 0) return tensor;
    const Node& node = graph.nodes[static_cast<std::size_t>(producer)];
    if (!std::holds_alternative<SplitParams>(node.op)) return -1;
    tensor = node.bottoms[0];
  }
}

// The sum of w[label] over the labels that are not ignored. Wrong ones are the loss's business.
double count_of(const SoftmaxLossParams& params, std::span<const float> labels) {
  double count = 0;
  for (const float value : labels) {
    const long label = std::lround(value);
    if (params.has_ignore_label && label == params.ignore_label) continue;
    const auto index = static_cast<std::size_t>(label);
    if (params.class_weights.empty()) {
      count += 1;
    } else if (label >= 0 && index < params.class_weights.size()) {
      count += double{params.class_weights[index]};
    }
  }
  return count;
}

}  // namespace

DataParallel::DataParallel(Communicator& ranks, Executor& executor, DeviceSum* sum)
    : ranks_(ranks),
      executor_(executor),
      by_hosts_(sum ? nullptr : std::make_unique<HostSum>(ranks, executor.device())),
      gradients_(sum ? *sum : *by_hosts_, executor) {
  const Graph& graph = executor.graph();
  const std::int64_t images = executor.input("data").shape.n();
  BatchShare share{.first_image = images * ranks.rank()};
  for (int n = 0; n < static_cast<int>(graph.nodes.size()); ++n) {
    const Node& node = graph.nodes[static_cast<std::size_t>(n)];
    if (std::holds_alternative<DropoutParams>(node.op)) executor.share_batch(n, share);
    const auto* loss = std::get_if<SoftmaxLossParams>(&node.op);
    if (!loss) continue;
    const int input = input_behind(graph, node.bottoms[1]);
    require(input >= 0, "labels of ", node.name, ": made by the net, expected an input with ",
            ranks.size(), " ranks");
    const std::span<const float> labels =
        executor.input(graph.tensors[static_cast<std::size_t>(input)].blob).span();
    if (loss->normalize && (loss->has_ignore_label || !loss->class_weights.empty())) {
      counted_.push_back({n, loss, labels});
    } else {
      share.count = static_cast<double>(loss->normalize ? std::ssize(labels) : images) *
                    static_cast<double>(ranks.size());
      executor.share_batch(n, share);
    }
  }
}

void DataParallel::share_losses() {
  if (counted_.empty()) return;
  sums_.clear();
  for (const CountedLoss& loss : counted_) sums_.push_back(count_of(*loss.params, loss.labels));
  ranks_.sum(sums_, "the counts of the labels");
  for (std::size_t i = 0; i < counted_.size(); ++i)
    executor_.share_batch(counted_[i].node, {.count = sums_[i] > 0 ? sums_[i] : 1});
}

void DataParallel::finish(std::span<double> losses, bool stop_here) {
  sums_.assign(losses.begin(), losses.end());
  sums_.push_back(stop_here ? 1 : 0);
  ranks_.sum(sums_, "the losses");
  stop_agreed_ = sums_.back() > 0;
  std::copy_n(sums_.begin(), losses.size(), losses.begin());
}

void DataParallel::broadcast_params() {
  for (std::size_t k = 0; k < executor_.param_count(); ++k) {
    std::vector<float> values = executor_.param(k);
    ranks_.broadcast(std::as_writable_bytes(std::span(values)),
                     "the parameter " + executor_.param_info(k).name);
    if (!ranks_.first()) executor_.set_param(k, values);
  }
  executor_.params_updated();
}

}  // namespace fovea
