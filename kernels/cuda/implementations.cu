// Every operation of this folder, best first.
#include "kernels/cuda/implementations.h"

#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

extern const Implementation kFirstLayerBf16, kFirstLayerTf32, kLinearBf16, kLinearTf32, kLinear,
    kPooling, kLrn, kRelu, kDropout, kConcat, kSplit, kSoftmax, kSoftmaxLoss, kAccuracy,
    kSiblingsBf16, kSiblingsTf32, kSiblings;

extern const LibrarySupport kLibrarySupport;

int device_count();
std::string unit_of(Device& device);
std::shared_ptr<Device> open_device(int index);
std::unique_ptr<RelevanceKernels> make_relevance(Device& device);
std::unique_ptr<SgdKernels> make_sgd(Device& device, std::span<const SgdBlob> blobs);
void transform_images(Device& device, const TransformProblem& problem);
double measure_peak_flops(Device& device, Precision precision);

Target target() {
  return {.implementations = {&kFirstLayerBf16, &kLinearBf16, &kFirstLayerTf32, &kLinearTf32,
                              &kLinear, &kPooling, &kLrn, &kRelu, &kDropout, &kConcat, &kSplit,
                              &kSoftmax, &kSoftmaxLoss, &kAccuracy},
          .siblings = {&kSiblingsBf16, &kSiblingsTf32, &kSiblings},
          .device_count = device_count,
          .open = open_device,
          .unit = unit_of,
          .relevance = make_relevance,
          .sgd = make_sgd,
          .transform = transform_images,
          .peak_flops = measure_peak_flops,
          .library_support = &kLibrarySupport};
}

}  // namespace fovea::FOVEA_TARGET
