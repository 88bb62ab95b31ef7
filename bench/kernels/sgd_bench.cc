// The update of all parameters of a net: what training does once per step.
//   fovea_sgd_bench --device cuda --benchmark_filter=vgg16
#include "bench/kernels/support.h"
#include "engine/backend/registry.h"
#include "kernels/cpu/sgd.h"

namespace fovea {
namespace {

struct Parameters {
  std::vector<DeviceBuffer<float>> buffers;
  std::vector<SgdBlob> blobs;
  std::unique_ptr<SgdKernels> kernels;
  std::int64_t count = 0;
};

std::shared_ptr<Parameters> parameters_of(const std::string& net, Device& device) {
  auto all = std::make_shared<Parameters>();
  for (const Node& node : bench_net(net, true).nodes) {
    for (const ParamInfo& info : node.params) {
      const std::int64_t count = info.shape.count();
      const auto floats = [&] {
        return all->buffers.emplace_back(device, static_cast<std::size_t>(count)).data();
      };
      SgdBlob blob{.count = count, .rate = info.lr_mult, .decay = 5e-4F * info.decay_mult};
      blob.weights = floats(), blob.history = floats(), blob.gradient = floats();
      all->blobs.push_back(blob);
      all->count += count;
    }
  }
  all->kernels = sgd_kernels(device, all->blobs);
  return all;
}

void update(const Parameters& all) {
  constexpr float kRate = 0.01F, kMomentum = 0.9F;
  if (all.kernels) return all.kernels->update({.rate = kRate, .momentum = kMomentum});
  for (const SgdBlob& blob : all.blobs) {
    const auto count = static_cast<std::size_t>(blob.count);
    cpu::sgd_update({.rate = kRate * blob.rate, .momentum = kMomentum, .decay = blob.decay},
                    {blob.weights, count}, {blob.gradient, count}, {blob.history, count});
  }
}

void add_all(const BenchOptions& options) {
  for (const std::string& net : options.nets) {
    add_benchmark(options, net + "/sgd", [options, net] {
      const auto all = parameters_of(net, *options.device);
      // Reads weights, history and gradient, writes the first two.
      return BenchWork{.work = [all] { update(*all); },
                       .bytes = 20.0 * static_cast<double>(all->count),
                       .waits = true};
    });
  }
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) { return fovea::run_benchmarks(argc, argv, fovea::add_all); }
