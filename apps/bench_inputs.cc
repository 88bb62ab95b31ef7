#include "apps/bench_inputs.h"

#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/train/filler.h"

namespace fovea::apps {

void fill_bench_input(Executor& executor) {
  const TensorView<float> x = executor.input("data");
  for (std::int64_t i = 0; i < x.count(); ++i)
    x.data[i] = static_cast<float>(i * 31 % 255) - 127.0F;
}

std::shared_ptr<Analyzer> bench_analyzer(const std::string& net, std::int64_t batch,
                                         const std::string& rule) {
  require(common().precision == "fp32", "no precision ", common().precision,
          " for relevance, expected fp32");
  const Graph graph =
      build_graph(load_net(resolve_net(net), {.phase = Phase::kDeploy, .batch = batch}));
  Shape image = graph.tensors[static_cast<std::size_t>(graph.inputs[0])].shape;
  const auto analyzer = std::make_shared<Analyzer>(
      graph,
      AnalyzerOptions{.composite = load_composite(rule),
                      .device = resolve_device(),
                      .mean = Tensor<float>(Shape{image.c(), image.h(), image.w()}, 127.0F)});
  fill_params(analyzer->executor(), common().seed);
  analyzer->weights_changed();
  fill_bench_input(analyzer->executor());
  analyzer->forward();
  analyzer->executor().keep_inputs();
  return analyzer;
}

}  // namespace fovea::apps
