#include "engine/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit

// Where the bytes of each tensor lie behind the header.
struct Extent {
  std::int64_t begin = 0, end = 0;
  std::string name;
};

Tensor<float> read_tensor(const std::string& name, const Json& entry, const char* data,
                          std::uint64_t size, const std::string& file, std::vector<Extent>& used) {
  const std::string where = file + ": tensor " + name;
  require(entry.is_object() && entry.contains("dtype") && entry.contains("shape") &&
              entry.contains("data_offsets"),
          "wrong header in ", where, ", expected dtype, shape and data_offsets");
  require(entry["dtype"] == "F32", "wrong type in ", where, ": ", entry["dtype"].dump(),
          ", expected \"F32\"");
  std::vector<std::int64_t> extents, offsets;
  read_json(entry["shape"], extents, where);
  read_json(entry["data_offsets"], offsets, where);
  require(extents.size() <= Shape::kMaxRank, "wrong shape in ", where, ": ", entry["shape"].dump(),
          ", expected at most ", Shape::kMaxRank, " axes");
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) {
    require(extent >= 0 && (extent == 0 || count <= static_cast<std::int64_t>(size) / extent),
            "wrong shape in ", where, ": ", entry["shape"].dump(),
            ", expected one that fits the file");
    count *= extent;
  }
  require(offsets.size() == 2 && offsets[0] >= 0 && offsets[1] >= offsets[0] &&
              offsets[1] - offsets[0] == count * 4 &&
              static_cast<std::uint64_t>(offsets[1]) <= size,
          "truncated file or wrong offsets in ", where, ": ", entry["data_offsets"].dump(),
          ", expected ", count * 4, " bytes within ", size);
  used.push_back({offsets[0], offsets[1], name});
  Tensor<float> tensor{Shape(extents)};
  std::memcpy(tensor.values.data(), data + offsets[0],
              static_cast<std::size_t>(count) * sizeof(float));
  return tensor;
}

// The format wants every byte to belong to exactly one tensor.
void check_cover(std::vector<Extent> used, std::uint64_t size, const std::string& file) {
  std::ranges::stable_sort(used, {}, [](const Extent& e) { return std::pair(e.begin, e.end); });
  std::int64_t end = 0;
  for (const Extent& extent : used) {
    require(extent.begin == end, extent.begin < end ? "overlapping tensors" : "unused bytes",
            " in ", file, ": tensor ", extent.name, " begins at ", extent.begin, ", expected ",
            end);
    end = extent.end;
  }
  require(static_cast<std::uint64_t>(end) == size, "unused bytes in ", file, ": ", size,
          " bytes of data, expected the ", end, " of its tensors");
}

// Of a file of `size` bytes that begins with `start`.
std::uint64_t header_length(std::string_view start, std::uint64_t size, const std::string& file) {
  std::uint64_t length = 0;
  require(start.size() >= 8, "truncated file: ", file, ": ", start.size(),
          " bytes, expected a safetensors header");
  std::memcpy(&length, start.data(), 8);
  require(length <= kMaxHeader && length <= size - 8,
          "not a safetensors file, or truncated: ", file, ": header of ", length,
          " bytes in a file of ", size);
  return length;
}

Json parse_header(std::string_view text, const std::string& file) {
  Json header = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  require(header.is_object(), "not a safetensors file: ", file, ": its header is not JSON");
  return header;
}

constexpr const char* kMetadata = "__metadata__";

std::map<std::string, std::string> metadata_of(const Json& header, const std::string& file) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find(kMetadata);
  if (found == header.end()) return metadata;
  require(found->is_object(), "wrong header in ", file, ": __metadata__, expected an object");
  for (const auto& [key, value] : found->items()) {
    require(value.is_string(), "wrong header in ", file, ": __metadata__.", key,
            ", expected a string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

}  // namespace

const Tensor<float>* WeightFile::find(const std::string& name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return &tensor;
  }
  return nullptr;
}

WeightFile read_safetensors(const std::filesystem::path& path) {
  const std::string bytes = read_file(path), file = path.string();
  const std::uint64_t length = header_length(bytes, bytes.size(), file);
  const Json header = parse_header(std::string_view(bytes).substr(8, length), file);
  WeightFile result{.tensors = {}, .metadata = metadata_of(header, file)};
  std::vector<Extent> used;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) continue;
    result.tensors.emplace_back(name, read_tensor(name, entry, bytes.data() + 8 + length,
                                                  bytes.size() - 8 - length, file, used));
  }
  check_cover(std::move(used), bytes.size() - 8 - length, file);
  return result;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  require(!error && in, "cannot read ", file, ": ", std::strerror(error ? error.value() : errno));
  const auto next = [&](std::uint64_t count) {
    std::string bytes(count, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(count));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    return bytes;
  };
  const std::uint64_t length = header_length(next(8), size, file);
  return metadata_of(parse_header(next(length), file), file);
}

void write_safetensors(const std::filesystem::path& path, const WeightFile& file, bool overwrite) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const std::uint64_t end = offset + tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"},
                    {"shape", std::vector<std::int64_t>(tensor.shape.begin(), tensor.shape.end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  AtomicFile out(path, overwrite);
  out.write(&length, sizeof length);
  out.write(text);
  for (const auto& [name, tensor] : file.tensors)
    out.write(tensor.values.data(), tensor.values.size() * sizeof(float));
  out.commit();
}

}  // namespace fovea
