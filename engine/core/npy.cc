#include "engine/core/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <system_error>

#include "engine/core/file.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "Fovea's file formats are little-endian");

constexpr char kMagic[] = "\x93NUMPY";

template <class T>
std::vector<float> convert(const char* bytes, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T element;
    std::memcpy(&element, bytes + i * sizeof(T), sizeof(T));
    values[i] = static_cast<float>(element);
  }
  return values;
}

// The text after "'key':" in the header's Python dict, up to the next comma at this level.
std::string header_value(const std::string& header, const std::string& key,
                         const std::string& file) {
  const auto at = header.find("'" + key + "':");
  require(at != std::string::npos, "not a .npy file: ", file, ": no '", key, "' in its header");
  const auto begin = header.find_first_not_of(' ', at + key.size() + 3);
  require(begin != std::string::npos, "not a .npy file: ", file, ": nothing behind '", key,
          "' in its header");
  const bool tuple = header[begin] == '(';
  const auto end = tuple ? header.find(')', begin) : header.find_first_of(",}", begin);
  require(end != std::string::npos, "not a .npy file: ", file, ": no end of '", key,
          "' in its header");
  return header.substr(begin, end - begin + (tuple ? 1 : 0));
}

// `most`: elements that a file of this size can hold.
Shape parse_shape(const std::string& text, std::int64_t most, const std::string& file) {
  std::vector<std::int64_t> extents;
  std::int64_t count = 1;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    if (*at < '0' || *at > '9') {
      ++at;
      continue;
    }
    std::int64_t extent = 0;
    const auto [behind, error] = std::from_chars(at, end, extent);
    require(error == std::errc() && (extent == 0 || count <= most / extent), "wrong shape in ",
            file, ": ", text, ", expected one that fits the file");
    extents.push_back(extent);
    count *= extent;
    at = behind;
  }
  require(extents.size() <= Shape::kMaxRank, "array in ", file, ": ", extents.size(),
          " axes, expected at most four");
  return Shape(extents);
}

}  // namespace

Tensor<float> read_npy(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const std::string file = path.string();
  require(bytes.size() >= 10 && std::memcmp(bytes.data(), kMagic, 6) == 0,
          "not a .npy file: ", file);
  const bool version1 = bytes[6] == 1;
  require(version1 || bytes.size() >= 12, "truncated file: ", file, ": ", bytes.size(),
          " bytes, expected a header");
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, version1 ? 2 : 4);
  const std::size_t start = (version1 ? 10U : 12U) + std::size_t{length};
  require(bytes.size() >= start, "truncated file: ", file, ": ", bytes.size(),
          " bytes, expected a header of ", start);
  const std::string header = bytes.substr(version1 ? 10 : 12, length);
  require(header_value(header, "fortran_order", file) == "False", "array in ", file,
          ": Fortran order, expected C order");
  const Shape shape = parse_shape(header_value(header, "shape", file), std::ssize(bytes), file);
  const std::string type = header_value(header, "descr", file);
  const char* data = bytes.data() + start;
  const auto check = [&](std::size_t element) {
    const auto expected = start + element * static_cast<std::size_t>(shape.count());
    require(bytes.size() == expected, "truncated file: ", file, ": ", bytes.size(),
            " bytes, expected ", expected);
  };
  if (type == "'<f4'") return check(4), Tensor<float>(shape, convert<float>(data, shape.count()));
  if (type == "'<f8'") return check(8), Tensor<float>(shape, convert<double>(data, shape.count()));
  if (type == "'|u1'")
    return check(1), Tensor<float>(shape, convert<std::uint8_t>(data, shape.count()));
  if (type == "'<i4'")
    return check(4), Tensor<float>(shape, convert<std::int32_t>(data, shape.count()));
  if (type == "'<i8'")
    return check(8), Tensor<float>(shape, convert<std::int64_t>(data, shape.count()));
  throw Error(str("array in ", file, ": type ", type, ", expected '<f4'"));
}

void write_npy(const std::filesystem::path& path, TensorView<const float> tensor, bool overwrite) {
  std::string shape = "(";
  for (std::int64_t extent : tensor.shape) shape += str(extent, ",");
  shape += ")";
  std::string header = str("{'descr': '<f4', 'fortran_order': False, 'shape': ", shape, ", }");
  header.append(64 - (10 + header.size() + 1) % 64, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  AtomicFile out(path, overwrite);
  out.write(std::string_view(kMagic, 6));
  out.write(std::string_view("\x01\x00", 2));
  out.write(&length, 2);
  out.write(header);
  out.write(tensor.data, sizeof(float) * static_cast<std::size_t>(tensor.count()));
  out.commit();
}

}  // namespace fovea
