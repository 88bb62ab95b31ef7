// The walk of relevance through a whole net, from the scores to the pixels; the forward pass in
// front of it is not in the time.
//   fovea_relevance_bench --device cuda --nets caffenet --benchmark_filter=toolbox-100
// Names: <net>/<composite>.
#include "bench/kernels/support.h"
#include "engine/relevance/analyzer.h"
#include "engine/train/filler.h"

namespace fovea {
namespace {

BenchWork walk(const BenchOptions& options, const std::string& net, const std::string& rule) {
  const Graph graph = bench_net(net, false);
  AnalyzerOptions how;
  how.composite = load_composite(rule);
  how.device = options.device_name;
  const Shape& image = graph.tensors[0].shape;
  how.mean = Tensor<float>(Shape{image.c(), image.h(), image.w()});
  const auto analyzer = std::make_shared<Analyzer>(graph, how);
  fill_params(analyzer->executor(), 1);
  analyzer->weights_changed();
  const TensorView<float> x = analyzer->executor().input("data");
  for (std::int64_t i = 0; i < x.count(); ++i) x.data[i] = static_cast<float>(i * 31 % 255) - 127;
  analyzer->forward();
  const std::vector<int> targets(static_cast<std::size_t>(image.n()), 0);
  return {.work = [analyzer, targets] { analyzer->run(targets); }, .waits = true};
}

void add_all(const BenchOptions& options) {
  for (const std::string& net : options.nets) {
    for (const std::string rule : {"toolbox-100", "EpsilonPlus"})
      add_benchmark(options, net + "/" + rule,
                    [options, net, rule] { return walk(options, net, rule); });
  }
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) { return fovea::run_benchmarks(argc, argv, fovea::add_all); }
