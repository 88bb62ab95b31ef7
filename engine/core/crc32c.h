// CRC32C (Castagnoli polynomial 0x1EDC6F41, reflected, initial and final value 0xFFFFFFFF), as in
// iSCSI and ext4. The check value of "123456789" is 0xE3069283. Uses the SSE4.2 instruction where
// the CPU has it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea {

// Checksum of `size` bytes that follow bytes whose checksum is `previous` (0: none), so that
// crc32c(b, n, crc32c(a, m)) is the checksum of a and b in one piece.
[[nodiscard]] std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t previous = 0);

// The same without special instructions: what crc32c falls back to.
[[nodiscard]] std::uint32_t crc32c_table(const void* data, std::size_t size,
                                         std::uint32_t previous = 0);

}  // namespace fovea
