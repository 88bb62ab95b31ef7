// The bound of a net's speed: every convolution and inner product alone, each pass by whichever of
// oneDNN's algorithms is the fastest, in the formats that oneDNN likes best, with nothing between
// them. Prints one JSON document: images per second, were that all there is to do.
//   fovea_linear_bound googlenet --mode train --batch 32
// Formats that suit one pass may not suit another or the neighbours, so no program that keeps one
// copy of the weights can quite reach it.
#include <omp.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <map>

#include "engine/core/buffer.h"
#include "engine/core/json_fields.h"
#include "engine/graph/graph.h"
#include "kernels/cpu/dnnl.h"

namespace fovea {
namespace {

using namespace cpu;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string net, mode = "forward";
  std::int64_t batch = 1;
  double seconds = 0.1;  // per pass and algorithm
  int threads = 0;
};

// Owns what a primitive touches.
class Timed {
 public:
  explicit Timed(dnnl::primitive primitive) : primitive_(std::move(primitive)) {}
  void add(int argument, const MemoryDesc& md) {
    if (md.get_size() == 0) return;
    const std::size_t count = md.get_size() / sizeof(float) + 1;
    Buffer<float>& buffer = buffers_.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i)
      buffer.data()[i] = static_cast<float>(i * 2654435761U % 1024) / 1024.0F - 0.3F;
    primitive_.add(argument, md, buffer.data());
  }
  // Median of at least three runs, after one that is not counted.
  [[nodiscard]] double seconds(double at_least) const {
    primitive_.run();
    std::vector<double> times;
    const auto begin = Clock::now();
    do {
      const auto start = Clock::now();
      primitive_.run();
      times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    } while (times.size() < 3 ||
             std::chrono::duration<double>(Clock::now() - begin).count() < at_least);
    std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
    return times[times.size() / 2];
  }

 private:
  BoundPrimitive primitive_;
  std::vector<Buffer<float>> buffers_;
};

struct Seconds {
  double forward, data, weights;
};

template <class Forward, class BackwardData, class BackwardWeights>
Seconds measure(const LinearDescs& descs, bool training, bool wants_data, double seconds) {
  const auto attr = attributes(std::nullopt);
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const auto f = forward_desc(descs, kind, attr, static_cast<Forward*>(nullptr));
  Timed forward{Forward(f)};
  forward.add(DNNL_ARG_SRC, f.src_desc());
  forward.add(DNNL_ARG_WEIGHTS, f.weights_desc());
  forward.add(DNNL_ARG_BIAS, f.bias_desc());
  forward.add(DNNL_ARG_DST, f.dst_desc());
  forward.add(DNNL_ARG_SCRATCHPAD, f.scratchpad_desc());
  Seconds result{forward.seconds(seconds), 0, 0};
  if (!training) return result;
  if (wants_data) {
    const auto d = backward_data_desc(descs, f, attr);
    Timed data{BackwardData(d)};
    data.add(DNNL_ARG_DIFF_DST, d.diff_dst_desc());
    data.add(DNNL_ARG_WEIGHTS, d.weights_desc());
    data.add(DNNL_ARG_DIFF_SRC, d.diff_src_desc());
    data.add(DNNL_ARG_SCRATCHPAD, d.scratchpad_desc());
    result.data = data.seconds(seconds);
  }
  const auto w = backward_weights_desc(descs, f, attr);
  Timed weights{BackwardWeights(w)};
  weights.add(DNNL_ARG_SRC, w.src_desc());
  weights.add(DNNL_ARG_DIFF_DST, w.diff_dst_desc());
  weights.add(DNNL_ARG_DIFF_WEIGHTS, w.diff_weights_desc());
  weights.add(DNNL_ARG_DIFF_BIAS, w.diff_bias_desc());
  weights.add(DNNL_ARG_SCRATCHPAD, w.scratchpad_desc());
  result.weights = weights.seconds(seconds);
  return result;
}

LinearDescs descriptors(const ConvolutionParams& p, const Shape& x, const Shape& y) {
  const std::int64_t k = p.outputs / p.groups, c = x.c() / p.groups;
  const Dims weights = p.groups > 1 ? Dims{p.groups, k, c, p.kernel[0], p.kernel[1]}
                                    : Dims{k, c, p.kernel[0], p.kernel[1]};
  return {.src = desc(dims_of(x), Tag::any),
          .weights = desc(weights, Tag::any),
          .bias = desc({p.outputs}, Tag::x),
          .dst = desc(dims_of(y), Tag::any),
          .strides = {p.stride[0], p.stride[1]},
          .pad_before = {p.pad[0], p.pad[1]},
          .pad_after = {(y.h() - 1) * p.stride[0] + p.kernel[0] - x.h() - p.pad[0],
                        (y.w() - 1) * p.stride[1] + p.kernel[1] - x.w() - p.pad[1]}};
}

Seconds best(const ConvolutionParams& p, const Shape& x, const Shape& y, bool wants_data,
             const Arguments& a) {
  LinearDescs descs = descriptors(p, x, y);
  const auto once = [&] {
    return measure<ConvForward, ConvBackwardData, ConvBackwardWeights>(descs, a.mode == "train",
                                                                       wants_data, a.seconds);
  };
  Seconds fastest = once();
  descs.algorithm = dnnl::algorithm::convolution_winograd;
  try {
    const Seconds winograd = once();
    fastest = {std::min(fastest.forward, winograd.forward), std::min(fastest.data, winograd.data),
               std::min(fastest.weights, winograd.weights)};
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented) throw;
  }
  return fastest;
}

Seconds best(const InnerProductParams& p, const Shape& x, const Shape&, bool wants_data,
             const Arguments& a) {
  const std::int64_t inputs = x.count() / x.n();
  const LinearDescs descs{.src = desc({x.n(), inputs}, Tag::any),
                          .weights = desc({p.outputs, inputs}, Tag::any),
                          .bias = desc({p.outputs}, Tag::x),
                          .dst = desc({x.n(), p.outputs}, Tag::any)};
  return measure<ProductForward, ProductBackwardData, ProductBackwardWeights>(
      descs, a.mode == "train", wants_data, a.seconds);
}

void run(const Arguments& a) {
  const bool training = a.mode == "train";
  if (a.threads > 0) omp_set_num_threads(a.threads);
  const Graph graph =
      build_graph(load_net(str(FOVEA_SOURCE_DIR, "/nets/", a.net, ".json"),
                           {.phase = training ? Phase::kTrain : Phase::kDeploy, .batch = a.batch}));
  Seconds total{};
  std::map<std::string, Seconds> known;  // GoogLeNet's modules repeat shapes
  for (const Node& node : graph.nodes) {
    std::visit(
        [&](const auto& p) {
          if constexpr (requires { best(p, Shape(), Shape(), true, a); }) {
            const auto shape = [&](int id) -> const Shape& {
              return graph.tensors[static_cast<std::size_t>(id)].shape;
            };
            const Shape &x = shape(node.bottoms[0]), &y = shape(node.tops[0]);
            const bool wants_data = std::ranges::count(graph.inputs, node.bottoms[0]) == 0;
            std::string key = str(x, " ", y, " ", wants_data);
            if constexpr (requires { p.kernel; })
              key += str(" ", p.kernel[0], " ", p.kernel[1], " ", p.stride[0], " ", p.groups);
            if (!known.contains(key)) known[key] = best(p, x, y, wants_data, a);
            const Seconds& s = known[key];
            total = {total.forward + s.forward, total.data + s.data, total.weights + s.weights};
          }
        },
        node.op);
  }
  const double seconds = total.forward + total.data + total.weights;
  const Json result = {{"net", a.net},
                       {"mode", a.mode},
                       {"batch", a.batch},
                       {"threads", omp_get_max_threads()},
                       {"images_per_s", static_cast<double>(a.batch) / seconds},
                       {"forward_ms", total.forward * 1e3},
                       {"backward_data_ms", total.data * 1e3},
                       {"backward_weights_ms", total.weights * 1e3}};
  std::cout << result.dump(2) << "\n";
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  fovea::Arguments a;
  CLI::App app("the speed of a net's linear layers alone, at oneDNN's best");
  app.add_option("NET", a.net, "name in nets/")->required();
  app.add_option("--mode", a.mode, "forward | train")->check(CLI::IsMember({"forward", "train"}));
  app.add_option("--batch", a.batch, "images at once")->check(CLI::Range(1, 65536));
  app.add_option("--threads", a.threads, "worker threads, 0 = every core");
  app.add_option("--seconds", a.seconds, "measuring time of one pass of one layer");
  CLI11_PARSE(app, argc, argv);
  try {
    fovea::run(a);
  } catch (const std::exception& error) {
    std::cerr << "fovea_linear_bound: " << error.what() << "\n";
    return 1;
  }
}
