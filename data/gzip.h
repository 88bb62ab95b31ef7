// Files that may be compressed with gzip.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace fovea {

// The content of a gzip file; `name` is named by the Error that damage, a wrong checksum or a
// content of more than `max_size` bytes throws. Needs zlib (FOVEA_WITH_ZLIB at build), else an
// Error says so.
[[nodiscard]] std::string gunzip(std::string_view bytes, const std::string& name,
                                 std::size_t max_size = std::size_t{1} << 34);

// read_file, unpacked when the first bytes are gzip's.
[[nodiscard]] std::string read_file_or_gzip(const std::filesystem::path& path);

}  // namespace fovea
