// The emulated device's global memory: every buffer lies between guard zones that each launch
// checks.
#pragma once

#include <cstddef>
#include <string_view>

namespace fovea::emulated {

// `bytes` at a multiple of 256, filled with NaN; what lies before and behind reads as NaN, too.
// With AddressSanitizer any access there ends the program.
[[nodiscard]] void* allocate_global(std::size_t bytes);
void release_global(void* data) noexcept;

// Error naming `kernel` when a guard zone of any buffer has been written to.
void check_global(std::string_view kernel);

}  // namespace fovea::emulated
