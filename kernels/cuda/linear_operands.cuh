// Copies of tensors in the order that products want: as they are, or in what tensor cores multiply,
// rounded once: tf32 (ties away from zero) in a float, or bf16 (ties to even).
#pragma once

#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {

// Blocks of lines of channels: from (blocks, lines, channels) with blocks `pitch` apart to (blocks,
// to_lines, to_channels), line 0 becoming line `first`; what is new is zero, lines beyond to_lines
// are left out. to_channels is a multiple of 4. Blocks of the copy lie to_pitch apart; 0: one
// behind the other.
struct OperandShape {
  std::int32_t blocks, lines, channels, pitch, to_lines, to_channels, first = 0, to_pitch = 0;
};
void copy_operand(Stream stream, const OperandShape& shape, const float* from, float* to);
void round_operand(Stream stream, const OperandShape& shape, const float* from, float* to);
void round_operand(Stream stream, const OperandShape& shape, const float* from, std::uint16_t* to);

}  // namespace fovea::FOVEA_TARGET
