// The device's relevance kernels behind their interface.
#include "kernels/cuda/relevance.cuh"

#include "kernels/cuda/implementations.h"

namespace fovea::FOVEA_TARGET {
namespace {

class DeviceRelevance final : public RelevanceKernels {
 public:
  explicit DeviceRelevance(Device& device)
      : device_(device), stream_(stream_of(device)), partials_(device) {}
  [[nodiscard]] Device& device() const override { return device_; }

  void divide(const RelevanceRule& rule, std::span<const QuotientGroup> groups, const OpTensor& r,
              std::span<AbsorbedSums> absorbed) override {
    FOVEA_TARGET::divide(stream_, partials_, rule, groups, r, absorbed);
  }
  void complete_sums(const OpTensor& y, const OpTensor& negative,
                     std::span<const QuotientGroup> groups) override {
    FOVEA_TARGET::complete_sums(stream_, y, negative, groups);
  }
  [[nodiscard]] std::int64_t weakest_unit(const QuotientGroup& group, const OpTensor& r,
                                          std::int64_t n) override {
    return FOVEA_TARGET::weakest_unit(partials_, group, r, n);
  }
  void apply_map(InputMap map, const OpTensor& x, const OpTensor& y) override {
    FOVEA_TARGET::apply_map(stream_, map, x, y);
  }
  void accumulate_product(InputMap map, float factor, const OpTensor& x, const OpTensor& c,
                          const OpTensor& r, bool overwrite) override {
    FOVEA_TARGET::accumulate_product(stream_, map, factor, x, c, r, overwrite);
  }
  void add(float factor, const OpTensor& s, const OpTensor& r) override {
    FOVEA_TARGET::add(stream_, factor, s, r);
  }
  void add_to_images(const float* values, const OpTensor& z) override {
    FOVEA_TARGET::add_to_images(stream_, values, z);
  }
  void average_pooling(const PoolingParams& params, AveragePoolingRule rule, const OpTensor& x,
                       const OpTensor& r_top, const OpTensor& r_bottom) override {
    relevance_average_pooling(stream_, params, rule, x, r_top, r_bottom);
  }
  void lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
           const OpTensor& r_bottom) override {
    relevance_lrn(stream_, params, rule, x, r_top, r_bottom);
  }
  void relu(ReluRule rule, const OpTensor& x, const OpTensor& r) override {
    relevance_relu(stream_, rule, x, r);
  }
  void distributed(const ConvolutionParams& params, const DistributedRule& rule, const OpTensor& x,
                   const float* w, const float* b, const OpTensor& r_top, const OpTensor& r_bottom,
                   std::span<AbsorbedSums> absorbed) override {
    relevance_distributed(stream_, partials_, params, rule, x, w, b, r_top, r_bottom, absorbed);
  }
  [[nodiscard]] bool output_serves(const OpTensor& y, const OpTensor& r) override {
    int* unserved = partials_.take<int>(1);
    device_.clear(unserved, sizeof(int));
    note_unserved(y, r, unserved);
    return partials_.fetch(unserved, 1)[0] == 0;
  }
  void note_unserved(const OpTensor& y, const OpTensor& r, int* unserved) override {
    FOVEA_TARGET::note_unserved(stream_, y, r, unserved);
  }
  void sum_per_image(const OpTensor& r, std::span<ImageSums> sums) override {
    FOVEA_TARGET::sum_per_image(stream_, partials_, r, sums);
  }
  void take_arrived(const OpTensor& r, std::span<AbsorbedSums> absorbed) override {
    FOVEA_TARGET::take_arrived(stream_, partials_, r, absorbed);
  }
  void take_channels(const OpTensor& from, std::int64_t first, const OpTensor& to) override {
    FOVEA_TARGET::take_channels(stream_, from, first, to);
  }
  void keep_channels(std::span<const std::uint8_t> keep, const OpTensor& r) override {
    FOVEA_TARGET::keep_channels(stream_, keep.data(), r);
  }

 private:
  Device& device_;
  Stream stream_;
  PartialMemory partials_;
};

}  // namespace

std::unique_ptr<RelevanceKernels> make_relevance(Device& device);
std::unique_ptr<RelevanceKernels> make_relevance(Device& device) {
  return std::make_unique<DeviceRelevance>(device);
}

}  // namespace fovea::FOVEA_TARGET
