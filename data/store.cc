#include "data/store.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "data/crc32c.h"

namespace fovea {
namespace {

using namespace store_format;
using Bytes = std::span<const std::uint8_t>;

// Header or Trailer at `at`; its last field is the checksum of what stands before it.
template <class T>
T read_checked(Bytes file, std::uint64_t at, const char* what, const std::filesystem::path& path) {
  T block;
  std::memcpy(&block, file.data() + at, sizeof block);
  const std::uint32_t crc = crc32c(&block, sizeof block - sizeof block.crc);
  require(block.crc == crc, "damaged store in ", path.string(), ": ", what, " checksum ", block.crc,
          ", expected ", crc);
  return block;
}

void check_header(Bytes file, const std::filesystem::path& path) {
  require(file.size() >= kHeaderMagic.size() &&
              std::memcmp(file.data(), kHeaderMagic.data(), kHeaderMagic.size()) == 0,
          "not a store: ", path.string(), ": unknown first bytes, expected a Fovea store");
  require(file.size() >= sizeof(Header) + sizeof(Trailer), "truncated store in ", path.string(),
          ": ", file.size(), " bytes, expected at least ", sizeof(Header) + sizeof(Trailer));
  const auto header = read_checked<Header>(file, 0, "header", path);
  require(header.major == kMajor, "store version in ", path.string(), ": ", header.major, ".",
          header.minor, ", expected ", kMajor, ".x");
  require(header.header_size == sizeof(Header), "damaged store in ", path.string(), ": header of ",
          header.header_size, " bytes, expected ", sizeof(Header));
}

// The trailer at `at`, whose segment must end right behind it.
Trailer read_trailer(Bytes file, std::uint64_t at, const std::filesystem::path& path) {
  require(std::memcmp(file.data() + at, kTrailerMagic.data(), kTrailerMagic.size()) == 0,
          "truncated store in ", path.string(), ": no trailer at byte ", at,
          ", expected one in the last ", sizeof(Trailer), " bytes");
  const auto t = read_checked<Trailer>(file, at, "trailer", path);
  const auto is_zero = [](std::uint8_t byte) { return byte == 0; };
  require(t.end == at + sizeof(Trailer), "damaged store in ", path.string(), ": trailer at byte ",
          at, " says ", t.end, " bytes, expected ", at + sizeof(Trailer));
  const bool index_fits = t.index_offset >= sizeof(Header) && t.index_offset % kAlignment == 0 &&
                          t.index_offset <= at && t.index_size <= at - t.index_offset &&
                          aligned(t.index_offset + t.index_size) == at;
  require(index_fits && std::all_of(t.zero.begin(), t.zero.end(), is_zero), "damaged store in ",
          path.string(), ": index of ", t.index_size, " bytes at ", t.index_offset,
          ", expected it right before the trailer at ", at);
  require(t.previous_trailer == 0 ||
              (t.previous_trailer >= sizeof(Header) && t.previous_trailer % kAlignment == 0 &&
               t.previous_trailer < t.index_offset),  // both are multiples of a trailer's size
          "damaged store in ", path.string(), ": previous trailer at ", t.previous_trailer,
          ", expected it before ", t.index_offset);
  return t;
}

StoreIndex read_index(Bytes file, const Trailer& trailer, const std::filesystem::path& path) {
  const Bytes bytes = file.subspan(trailer.index_offset, trailer.index_size);
  const std::uint32_t crc = crc32c(bytes.data(), bytes.size());
  require(crc == trailer.index_crc, "damaged store in ", path.string(), ": index checksum ", crc,
          ", expected ", trailer.index_crc);
  return parse_index(bytes, trailer.index_offset, path);
}

template <class Named>
const Named& find_named(std::span<const Named> all, std::string_view name, const char* what,
                        const std::filesystem::path& path) {
  std::vector<std::string> known;
  for (const Named& one : all) {
    if (one.name == name) return one;
    known.emplace_back(one.name);
  }
  throw Error(
      str("unknown ", what, " in ", path.string(), ": '", name, "'", did_you_mean(name, known)));
}

}  // namespace

Store::Store(std::filesystem::path path) : path_(std::move(path)), file_(path_) {
  const Bytes file = file_.bytes();
  check_header(file, path_);
  require(file.size() % kAlignment == 0, "truncated store in ", path_.string(), ": ", file.size(),
          " bytes, expected a multiple of ", kAlignment);
  trailer_ = read_trailer(file, file.size() - sizeof(Trailer), path_);
  index_ = read_index(file, trailer_, path_);
  checked_ = std::vector<std::atomic<bool>>(index_.records.size());
}

const RecordEntry& Store::entry(std::uint32_t number) const {
  require(number < index_.records.size(), "unknown record in ", path_.string(), ": ", number,
          ", expected below ", index_.records.size());
  return index_.records[number];
}

RecordInfo Store::record(std::uint32_t number) const {
  const RecordEntry& r = entry(number);
  return {.encoding = static_cast<Encoding>(r.encoding),
          .channels = r.channels,
          .height = static_cast<int>(r.height),
          .width = static_cast<int>(r.width),
          .payload_size = r.size,
          .source = index_.sources[number]};
}

bool Store::is_intact(std::uint32_t number) const {
  const RecordEntry& r = entry(number);
  return crc32c(file_.bytes().data() + r.offset, r.size) == r.crc;
}

std::span<const std::uint8_t> Store::payload(std::uint32_t number) const {
  const RecordEntry& r = entry(number);
  if (!checked_[number].load(std::memory_order_relaxed)) {
    require(is_intact(number), "damaged record in ", path_.string(), ": record ", number, " (",
            index_.sources[number], "), expected a payload with checksum ", r.crc);
    checked_[number].store(true, std::memory_order_relaxed);
  }
  return file_.bytes().subspan(r.offset, r.size);
}

Image Store::decoded(std::uint32_t number) const {
  const RecordInfo info = record(number);
  const std::string name = str(path_.string(), ":record ", number);
  Image image = decode_image(payload(number), name, info.channels);
  require(image.height == info.height && image.width == info.width, "image size in ", name, ": ",
          image.height, " x ", image.width, ", expected ", info.height, " x ", info.width);
  return image;
}

std::span<const std::uint8_t> Store::planes(std::uint32_t number,
                                            std::vector<std::uint8_t>& scratch) const {
  const RecordInfo info = record(number);
  if (info.encoding == Encoding::kRaw) return payload(number);
  scratch.resize(info.plane_bytes());
  to_planes(decoded(number), scratch);
  return scratch;
}

Image Store::image(std::uint32_t number) const {
  const RecordInfo info = record(number);
  if (info.encoding != Encoding::kRaw) return decoded(number);
  return from_planes(payload(number), info.channels, info.height, info.width);
}

const LabelColumn& Store::column(std::string_view name) const {
  return find_named(columns(), name, "column", path_);
}

const View& Store::view(std::string_view name) const {
  return find_named(views(), name, "view", path_);
}

void Store::verify_layout() const {
  const Bytes file = file_.bytes();
  using Interval = std::pair<std::uint64_t, std::uint64_t>;  // [begin, end)
  std::vector<Interval> used{{0, sizeof(Header)}};
  const auto use_records = [&](const StoreIndex& index) {
    for (const RecordEntry& r : index.records) used.emplace_back(r.offset, r.offset + r.size);
  };
  use_records(index_);
  for (Trailer t = trailer_;;) {
    used.emplace_back(t.index_offset, t.index_offset + t.index_size);
    used.emplace_back(t.end - sizeof(Trailer), t.end);
    if (t.previous_trailer == 0) break;
    t = read_trailer(file, t.previous_trailer, path_);
    use_records(read_index(file, t, path_));
  }
  std::sort(used.begin(), used.end());
  std::uint64_t at = 0;
  for (const auto& [begin, end] : used) {
    for (; at < begin; ++at) {
      require(file[at] == 0, "damaged store in ", path_.string(), ": padding byte ", at, " is ",
              int{file[at]}, ", expected 0");
    }
    at = std::max(at, end);
  }
}

}  // namespace fovea
