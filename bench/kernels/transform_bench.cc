// Crop, mirror and mean of one image, 256x256 bytes to the nets' inputs; on the host, where they
// are made today whatever the device.
//   fovea_transform_bench
#include "bench/kernels/support.h"
#include "data/transform.h"

namespace fovea {
namespace {

void add_all(const BenchOptions& options) {
  require(options.device->host_memory(), "no transform on device ", options.device_name,
          ", expected cpu");
  for (const std::string& net : options.nets) {
    add_benchmark(options, net + "/transform", [net] {
      const Shape image{3, 256, 256};
      const Graph graph = bench_net(net, true);
      TransformParams params;
      params.crop = static_cast<int>(graph.tensors[0].shape.h());
      params.mean = Tensor<float>(image);
      const auto planes =
          std::make_shared<std::vector<std::uint8_t>>(static_cast<std::size_t>(image.count()));
      const auto out = std::make_shared<Tensor<float>>(transformed_shape(params, image, "image"));
      const Window window{.top = 11, .left = 7, .mirror = true};  // inside for every crop
      return BenchWork{
          .work = [=] { transform_image(*planes, image, params, window, out->values); },
          // A byte read per value of the crop, its mean, and what is written.
          .bytes = 9.0 * static_cast<double>(out->shape.count())};
    });
  }
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) { return fovea::run_benchmarks(argc, argv, fovea::add_all); }
