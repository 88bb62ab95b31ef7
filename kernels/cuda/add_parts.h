// Adds up what several ranks have sent: SideQueue::add_parts (side_queue.h) on a queue.
#pragma once

#include <cstdint>

namespace fovea::cuda {
struct Stream;
void add_parts(Stream stream, const float* parts, int ranks, std::int64_t count, float* to);
}  // namespace fovea::cuda
namespace fovea::emulated {
struct Stream;
void add_parts(Stream stream, const float* parts, int ranks, std::int64_t count, float* to);
}  // namespace fovea::emulated
