// How long every planned step of a net takes on a device, alone, and how much it has to do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/graph/executor.h"

namespace fovea {

// What one device is capable of, measured: 0 where it was not.
struct DevicePeaks {
  double copy_bytes_per_s = 0;  // a large copy, bytes read plus bytes written
  double flop_per_s = 0;  // fused multiply-adds (two each) of the precision, on registers alone
};
[[nodiscard]] DevicePeaks measure_peaks(Device& device, Precision precision);

// Images per batch with which the study trains a net of nets/.
[[nodiscard]] std::int64_t study_batch(const std::string& net);

struct StepTiming {
  std::string step, op, pass,
      implementation;  // "conv1+relu1", "convolution", "forward" | "backward" | "relevance"
  // Of linear layers: "50 3 227 227  96 7 7  4 4  0 0  1", the N C H W of the data, K R S of the
  // filters, strides, padding, groups; "" of others. `data`: backward writes the data's gradient.
  std::string problem;
  bool data = false;
  double median_s = 0, min_s = 0, max_s = 0;
  // Declared: two per multiply-accumulate of linear layers, twice that backward where the gradient
  // of the data is wanted; each value, parameter, gradient and state that the pass needs once.
  double flop = 0, bytes = 0;

  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("step", s.step), v("op", s.op), v("pass", s.pass), v("implementation", s.implementation);
    v("problem", s.problem), v("data", s.data);
    v("median_s", s.median_s), v("min_s", s.min_s), v("max_s", s.max_s);
    v("flop", s.flop), v("bytes", s.bytes);
  }
};

struct StepBenchOptions {
  int runs = 20;
  bool cold = true;                                // caches are overwritten in front of every run
  std::function<bool(const std::string&)> wanted;  // by the step's name; empty: all
  std::function<void(const StepTiming&)> found;    // as they come; may be empty
};

// What the two benches share.
[[nodiscard]] StepTiming timing_of(std::vector<double> seconds);
// StepTiming::problem of a layer.
[[nodiscard]] std::string problem_of(const Graph& graph, const Node& node);

// In the order of execution: forward, then backward in reverse where the executor trains. Steps
// without work (aliases) and those that change labels alone are left out. Afterwards a whole pass
// is run again: Error when the last tensor is not bit for bit what it was in front of the timing.
[[nodiscard]] std::vector<StepTiming> bench_steps(Executor& executor,
                                                  const StepBenchOptions& options);

}  // namespace fovea
