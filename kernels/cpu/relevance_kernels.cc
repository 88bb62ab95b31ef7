// The CPU's relevance kernels behind their interface.
#include "kernels/cpu/relevance.h"

namespace fovea::cpu {
namespace {

class CpuRelevance final : public RelevanceKernels {
 public:
  explicit CpuRelevance(Device& device) : device_(device) {
    expects(device.host_memory(), "the host's memory");
  }
  [[nodiscard]] Device& device() const override { return device_; }

  void divide(const RelevanceRule& rule, std::span<const QuotientGroup> groups, const OpTensor& r,
              std::span<AbsorbedSums> absorbed) override {
    cpu::divide(rule, groups, r, absorbed);
  }
  void complete_sums(const OpTensor& y, const OpTensor& negative,
                     std::span<const QuotientGroup> groups) override {
    cpu::complete_sums(y, negative, groups);
  }
  [[nodiscard]] std::int64_t weakest_unit(const QuotientGroup& group, const OpTensor& r,
                                          std::int64_t n) override {
    return cpu::weakest_unit(group, r, n);
  }
  void apply_map(InputMap map, const OpTensor& x, const OpTensor& y) override {
    cpu::apply_map(map, x, y);
  }
  void accumulate_product(InputMap map, float factor, const OpTensor& x, const OpTensor& c,
                          const OpTensor& r, bool overwrite) override {
    cpu::accumulate_product(map, factor, x, c, r, overwrite);
  }
  void add(float factor, const OpTensor& s, const OpTensor& r) override { cpu::add(factor, s, r); }
  void add_to_images(const float* values, const OpTensor& z) override {
    cpu::add_to_images(values, z);
  }
  void average_pooling(const PoolingParams& params, AveragePoolingRule rule, const OpTensor& x,
                       const OpTensor& r_top, const OpTensor& r_bottom) override {
    relevance_average_pooling(params, rule, x, r_top, r_bottom);
  }
  void lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
           const OpTensor& r_bottom) override {
    relevance_lrn(params, rule, x, r_top, r_bottom);
  }
  void relu(ReluRule rule, const OpTensor& x, const OpTensor& r) override {
    relevance_relu(rule, x, r);
  }
  void distributed(const ConvolutionParams& params, const DistributedRule& rule, const OpTensor& x,
                   const float* w, const float* b, const OpTensor& r_top, const OpTensor& r_bottom,
                   std::span<AbsorbedSums> absorbed) override {
    relevance_distributed(params, rule, x, w, b, r_top, r_bottom, absorbed);
  }
  [[nodiscard]] bool output_serves(const OpTensor& y, const OpTensor& r) override {
    return cpu::output_serves(y, r);
  }
  void note_unserved(const OpTensor& y, const OpTensor& r, int* unserved) override {
    if (!cpu::output_serves(y, r)) *unserved = 1;
  }
  void sum_per_image(const OpTensor& r, std::span<ImageSums> sums) override {
    cpu::sum_per_image(r, sums);
  }
  void take_arrived(const OpTensor& r, std::span<AbsorbedSums> absorbed) override {
    std::vector<ImageSums> arrived(absorbed.size());
    cpu::sum_per_image(r, arrived);
    for (std::size_t n = 0; n < absorbed.size(); ++n) absorbed[n].padding -= arrived[n].sum;
  }
  void take_channels(const OpTensor& from, std::int64_t first, const OpTensor& to) override {
    cpu::take_channels(from, first, to);
  }
  void keep_channels(std::span<const std::uint8_t> keep, const OpTensor& r) override {
    cpu::keep_channels(keep, r);
  }

 private:
  Device& device_;
};

}  // namespace

std::unique_ptr<RelevanceKernels> relevance_kernels(Device& device) {
  return std::make_unique<CpuRelevance>(device);
}

}  // namespace fovea::cpu
