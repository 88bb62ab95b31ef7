#include "data/store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "engine/core/crc32c.h"
#include "engine/core/fields.h"

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
  require(header.major >= 1 && header.major <= kMajor, "store version in ", path.string(), ": ",
          header.major, ".", header.minor, ", expected 1.x to ", kMajor, ".x");
  require(header.header_size == sizeof(Header), "damaged store in ", path.string(), ": header of ",
          header.header_size, " bytes, expected ", sizeof(Header));
}

void check_shard(Bytes file, const Shard& shard, const std::filesystem::path& path) {
  require(file.size() == shard.size, "shard in ", path.string(), ": ", file.size(),
          " bytes, expected ", shard.size);
  require(std::memcmp(file.data(), kShardMagic.data(), kShardMagic.size()) == 0,
          "not a shard: ", path.string(), ": unknown first bytes, expected a shard of a store");
  const auto header = read_checked<Header>(file, 0, "header", path);
  require(header.major == kMajor, "shard version in ", path.string(), ": ", header.major, ".",
          header.minor, ", expected ", kMajor, ".x");
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

using Interval = std::pair<std::uint64_t, std::uint64_t>;  // [begin, end)

// Error unless every byte outside the intervals is zero.
void check_padding(Bytes file, std::vector<Interval> used, const std::filesystem::path& path) {
  std::sort(used.begin(), used.end());
  used.emplace_back(file.size(), file.size());
  std::uint64_t at = 0;
  for (const auto& [begin, end] : used) {
    for (; at < begin; ++at) {
      require(at < file.size() && file[at] == 0, "damaged store in ", path.string(),
              ": padding byte ", at, " is not 0, expected 0");
    }
    at = std::max(at, end);
  }
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

bool is_store(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, kHeaderMagic.size()> first{};
  return file.read(first.data(), first.size()).good() &&
         std::memcmp(first.data(), kHeaderMagic.data(), first.size()) == 0;
}

Store::Store(std::filesystem::path path) : path_(std::move(path)), file_(path_) {
  const Bytes file = file_.bytes();
  check_header(file, path_);
  require(file.size() % kAlignment == 0, "truncated store in ", path_.string(), ": ", file.size(),
          " bytes, expected a multiple of ", kAlignment);
  trailer_ = read_trailer(file, file.size() - sizeof(Trailer), path_);
  index_ = read_index(file, trailer_, path_);
  for (const Shard& shard : index_.shards) {
    const auto shard_path = path_.parent_path() / std::string(shard.name);
    shards_.push_back(std::make_unique<MappedFile>(shard_path));
    check_shard(shards_.back()->bytes(), shard, shard_path);
  }
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

std::uint64_t Store::total_bytes() const {
  std::uint64_t total = bytes();
  for (const auto& shard : shards_) total += shard->bytes().size();
  return total;
}

bool Store::is_intact(std::uint32_t number) const {
  const RecordEntry& r = entry(number);
  return crc32c(stored(r).data(), r.size) == r.crc;
}

void Store::will_need(std::uint32_t number) const {
  const RecordEntry& r = entry(number);
  if (!checked_[number].load(std::memory_order_relaxed)) file_of(r).will_need(r.offset, r.size);
}

std::span<const std::uint8_t> Store::payload(std::uint32_t number) const {
  const RecordEntry& r = entry(number);
  if (!checked_[number].load(std::memory_order_relaxed)) {
    require(is_intact(number), "damaged record in ", path_.string(), ": record ", number, " (",
            index_.sources[number], "), expected a payload with checksum ", r.crc);
    checked_[number].store(true, std::memory_order_relaxed);
  }
  return stored(r);
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
  require(info.encoding != Encoding::kFloat, "values in ", path_.string(), ":record ", number,
          ": float, expected 8-bit pixels");
  scratch.resize(info.plane_bytes());
  to_planes(decoded(number), scratch);
  return scratch;
}

std::vector<float> Store::values(std::uint32_t number) const {
  const RecordInfo info = record(number);
  std::vector<float> result(info.plane_bytes());
  if (info.encoding == Encoding::kFloat) {
    const Bytes bytes = payload(number);
    std::memcpy(result.data(), bytes.data(), bytes.size());
  } else {
    std::vector<std::uint8_t> scratch;
    const Bytes bytes = planes(number, scratch);
    std::copy(bytes.begin(), bytes.end(), result.begin());
  }
  return result;
}

Image Store::image(std::uint32_t number) const {
  const RecordInfo info = record(number);
  require(info.encoding != Encoding::kFloat && (info.channels == 1 || info.channels == 3),
          "record ", number, " in ", path_.string(), ": ", info.channels, " channels of ",
          enum_name(info.encoding), " values, expected an image of 1 or 3");
  if (info.encoding != Encoding::kRaw) return decoded(number);
  return from_planes(payload(number), info.channels, info.height, info.width);
}

int Store::find_column(std::string_view name) const {
  for (std::size_t c = 0; c < columns().size(); ++c) {
    if (columns()[c].name == name) return static_cast<int>(c);
  }
  return -1;
}

const LabelColumn& Store::column(std::string_view name) const {
  return find_named(columns(), name, "column", path_);
}

const View& Store::view(std::string_view name) const {
  return find_named(views(), name, "view", path_);
}

void Store::verify_layout() const {
  const Bytes file = file_.bytes();
  std::vector<std::vector<Interval>> used(1 + shards_.size(), {{0, sizeof(Header)}});  // by shard
  const auto use_records = [&](const StoreIndex& index) {
    for (const RecordEntry& r : index.records) {
      // An older index may know fewer shards, but none that are gone.
      require(r.shard < used.size(), "damaged store in ", path_.string(), ": shard ", r.shard,
              " in an older index, expected at most ", used.size() - 1);
      used[r.shard].emplace_back(r.offset, r.offset + r.size);
    }
  };
  use_records(index_);
  for (Trailer t = trailer_;;) {
    used[0].emplace_back(t.index_offset, t.index_offset + t.index_size);
    used[0].emplace_back(t.end - sizeof(Trailer), t.end);
    if (t.previous_trailer == 0) break;
    t = read_trailer(file, t.previous_trailer, path_);
    use_records(read_index(file, t, path_));
  }
  check_padding(file, std::move(used[0]), path_);
  for (std::size_t k = 0; k < shards_.size(); ++k) {
    check_padding(shards_[k]->bytes(), std::move(used[k + 1]),
                  path_.parent_path() / std::string(index_.shards[k].name));
  }
}

}  // namespace fovea
