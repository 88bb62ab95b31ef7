// Our kernels behind the interface for other libraries; library_support.h.
#include "kernels/cuda/library_support.h"

#include "kernels/cuda/linear_gradient.cuh"
#include "kernels/cuda/linear_operands.cuh"

namespace fovea::FOVEA_TARGET {

int current_device();
void* queue_of(Device& device);

namespace {

void mask_and_sum(Device& device, const LinearGradient& gradient, float* partials) {
  const GradientRows rows{.dy = gradient.dy,
                          .rows = gradient.rows,
                          .channels = gradient.channels,
                          .pitch = gradient.channels,
                          .y = gradient.y,
                          .y_pitch = gradient.channels,
                          .slope = gradient.slope};
  mask_and_sum_gradient(stream_of(device), rows, gradient.y ? gradient.dy : nullptr, gradient.db,
                        partials);
}

void round_to_bf16(Device& device, const float* from, std::uint16_t* to, std::int64_t count) {
  expects(count % 4 == 0, "pieces of four values");
  const std::int32_t channels = index32(count);
  round_operand(stream_of(device), {1, 1, channels, channels, 1, channels}, from, to);
}

}  // namespace

extern const LibrarySupport kLibrarySupport{.current_device = current_device,
                                            .queue = queue_of,
                                            .gradient_partials = gradient_partials,
                                            .mask_and_sum = mask_and_sum,
                                            .round_to_bf16 = round_to_bf16,
                                            .side_queue = make_side_queue};

}  // namespace fovea::FOVEA_TARGET
