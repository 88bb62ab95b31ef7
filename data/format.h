// The bytes of a store file, as data/FORMAT.md describes them: fixed little-endian structs without
// hidden padding. Writer, reader and verifier share these; nobody else needs them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "engine/core/crc32c.h"

namespace fovea::store_format {

static_assert(std::endian::native == std::endian::little, "Fovea's file formats are little-endian");

inline constexpr std::uint64_t kAlignment = 64;
inline constexpr std::uint16_t kMajor = 2, kMinor = 0;  // 1.x is read too: a subset
// As in PNG, a byte above 127, CR LF, Ctrl-Z and LF reveal a copy made in text mode.
inline constexpr std::array<std::uint8_t, 8> kHeaderMagic{0x89, 'F',  'O',  'V',
                                                          '\r', '\n', 0x1A, '\n'};
inline constexpr std::array<std::uint8_t, 8> kTrailerMagic{0x89, 'F', 'O', 'V',
                                                           'E',  'N', 'D', '\n'};

inline constexpr std::array<std::uint8_t, 8> kShardMagic{0x89, 'F',  'O',  'S',
                                                         '\r', '\n', 0x1A, '\n'};

// The first 64 bytes of the file, and with kShardMagic of a shard.
struct Header {
  std::array<std::uint8_t, 8> magic = kHeaderMagic;
  std::uint16_t major = kMajor, minor = kMinor;
  std::uint32_t header_size = 64;
  std::array<std::uint8_t, 44> zero{};
  std::uint32_t crc = 0;  // of the 60 bytes before it
};

inline Header new_header(const std::array<std::uint8_t, 8>& magic) {
  Header header{.magic = magic};
  header.crc = crc32c(&header, sizeof header - sizeof header.crc);
  return header;
}

// The last 64 bytes of the file, and of every segment in it.
struct Trailer {
  std::array<std::uint8_t, 8> magic = kTrailerMagic;
  std::uint64_t index_offset = 0, index_size = 0;
  std::uint64_t end = 0;               // file size up to and with this trailer
  std::uint64_t previous_trailer = 0;  // offset; 0: this is the first segment
  std::uint32_t index_crc = 0;
  std::array<std::uint8_t, 16> zero{};
  std::uint32_t crc = 0;  // of the 60 bytes before it
};

// The index opens with a Directory, then section_count Sections; a section starts at a multiple of
// 64 of the index.
struct Directory {
  std::uint32_t section_count = 0, zero = 0;
};
enum class SectionKind : std::uint32_t {
  kStrings = 1,
  kRecords = 2,
  kColumns = 3,
  kLabels = 4,
  kViews = 5,
  kViewRecords = 6,
  kMetadata = 7,
  kShards = 8,  // only where payloads lie in shards
};
inline constexpr std::uint32_t kSectionKinds = 8, kRequiredSections = 7;
struct Section {
  SectionKind kind{};
  std::uint32_t zero = 0;
  std::uint64_t offset = 0;  // from the start of the index
  std::uint64_t size = 0;    // bytes, without the zeros behind it
};

struct RecordEntry {
  std::uint64_t offset = 0, size = 0;  // of the payload, in its file
  std::uint32_t crc = 0;               // of the payload
  std::uint32_t height = 0, width = 0;
  std::uint8_t channels = 0, encoding = 0;
  std::uint16_t zero = 0;
  std::uint32_t source = 0;  // string number
  std::uint32_t shard = 0;   // 0: the payload lies in this file; k: in entry k - 1 of kShards
};
struct ShardEntry {
  std::uint32_t name = 0;  // string number: a file beside this one
  std::uint32_t zero = 0;
  std::uint64_t size = 0;  // bytes of the file
};
struct ColumnEntry {
  std::uint32_t name = 0;  // string number
  std::uint32_t first_class = 0,
                class_count = 0;  // string numbers first_class, first_class + 1, ...
  std::uint32_t zero = 0;
};
struct ViewEntry {
  std::uint32_t name = 0, provenance = 0;  // string numbers; the provenance is a JSON object
  std::int32_t target = -1;                // column that the view is about, -1: none
  std::uint32_t zero = 0;
  std::uint64_t first = 0, count = 0;  // entries of the section kViewRecords
};

static_assert(sizeof(Header) == 64 && sizeof(Trailer) == 64 && sizeof(Directory) == 8);
static_assert(sizeof(Section) == 24 && sizeof(RecordEntry) == 40 && sizeof(ShardEntry) == 16 &&
              sizeof(ColumnEntry) == 16 && sizeof(ViewEntry) == 32);
static_assert(std::is_trivially_copyable_v<Header> && std::is_trivially_copyable_v<Trailer>);

// The next multiple of kAlignment.
constexpr std::uint64_t aligned(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace fovea::store_format
