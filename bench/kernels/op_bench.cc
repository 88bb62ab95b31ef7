// Forward and backward time of one kind of operation (FOVEA_BENCH_OP, as in net JSON) for every
// shape in which the nets have it, each by itself on any device, without fusion.
//   fovea_convolution_bench --device cuda --precision tf32 --benchmark_filter=caffenet/conv2
// Names: <net>/<layer>/<implementation>/<forward|backward>; of layers of equal shape the first.
#include <set>

#include "bench/kernels/support.h"
#include "engine/backend/op_trial.h"
#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

OpProblem problem_of(const Graph& graph, const Node& node, const BenchOptions& options,
                     bool training) {
  OpProblem problem{.params = node.op, .training = training, .precision = options.precision};
  for (const int id : node.bottoms) {
    const TensorInfo& bottom = graph.tensors[static_cast<std::size_t>(id)];
    problem.bottoms.push_back(bottom.shape);
    problem.bottom_layouts.push_back(Layout::kPlain);
    problem.propagate.push_back(bottom.producer >= 0);
  }
  for (const int id : node.tops)
    problem.tops.push_back(graph.tensors[static_cast<std::size_t>(id)].shape);
  return problem;
}

// Equal for layers that cost the same.
std::string key_of(const OpProblem& problem) {
  std::string key = std::visit([](const auto& p) { return write_json(p).dump(); }, problem.params);
  for (const Shape& shape : problem.bottoms) key += str(" ", shape);
  return key + (problem.propagate[0] ? "" : " first");
}

void add_node(const BenchOptions& options, const std::string& name, const OpProblem& problem,
              double macs) {
  const UseDevice use(*options.device);
  const ChosenOp chosen = create_op(options.device_name, problem, options.engine);
  for (const bool backward : {false, true}) {
    if (backward ? !problem.training : chosen.op->is_alias()) continue;  // nothing to do
    const auto make = [options, problem, backward, macs] {
      const UseDevice while_made(*options.device);
      const auto trial = std::make_shared<OpTrial>(
          *options.device, problem, create_op(options.device_name, problem, options.engine).op);
      trial->forward();
      const double passes = backward ? (problem.propagate[0] ? 2 : 1) : 1;
      return BenchWork{
          .work = [trial, backward] { backward ? trial->backward() : trial->forward(); },
          .bytes = backward ? trial->backward_bytes() : trial->forward_bytes(),
          .flop = 2 * macs * passes};
    };
    add_benchmark(options,
                  str(name, "/", chosen.implementation, backward ? "/backward" : "/forward"), make);
  }
}

void add_all(const BenchOptions& options) {
  for (const std::string& net : options.nets) {
    std::set<std::string> seen;
    // What a net has in deployment alone (softmax) is not trained.
    for (const bool training : {true, false}) {
      const Graph graph = bench_net(net, training);
      for (const Node& node : graph.nodes) {
        if (op_type_name(node.op) != FOVEA_BENCH_OP) continue;
        const OpProblem problem = problem_of(graph, node, options, training);
        if (!seen.insert(key_of(problem)).second) continue;
        add_node(options, net + "/" + node.name, problem,
                 static_cast<double>(multiply_accumulates(graph, node)));
      }
    }
  }
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) { return fovea::run_benchmarks(argc, argv, fovea::add_all); }
