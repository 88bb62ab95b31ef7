// Damaged stores: every damage is an Error that names the file; none crashes, none gives other
// data.
#include <gtest/gtest.h>

#include <cstring>

#include "data/store.h"
#include "data/verify.h"
#include "engine/core/crc32c.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// Everything that a store gives, as text.
std::string content_of(const Store& store) {
  std::string content = store.metadata().dump();
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const auto values = store.values(i);
    content.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    content.append(store.record(i).source);
    for (const LabelColumn& column : store.columns()) content += str(',', column.values[i]);
  }
  for (const LabelColumn& column : store.columns()) {
    content += column.name;
    for (const std::string_view name : column.classes) content += name;
  }
  for (const View& view : store.views()) {
    content += str(view.name, view.target, view.provenance.dump());
    for (const std::uint32_t record : view.records) content += str(',', record);
  }
  return content;
}

class DamagedStore : public testing::Test {
 protected:
  DamagedStore() : path_(folder_ / "a.store") {
    write_sample_store(path_);
    bytes_ = read_file(path_);
    content_ = content_of(Store(path_));
  }

  // Opens and reads `bytes` as a store; its content, or "" with message_ set when that was refused.
  std::string read(const std::string& bytes) {
    write_input(path_, bytes);
    std::string content;
    message_ = message_of([&] { content = content_of(Store(path_)); });
    return content;
  }

  TemporaryFolder folder_;
  fs::path path_;
  std::string bytes_, content_, message_;
};

TEST_F(DamagedStore, IsRefusedWhenTruncatedAtAnyByte) {
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    EXPECT_EQ(read(bytes_.substr(0, size)), "") << size;
    ASSERT_NE(message_.find(path_.string()), std::string::npos) << size << ": " << message_;
  }
  read(bytes_.substr(0, bytes_.size() - 64));
  EXPECT_EQ(message_, str("truncated store in ", path_.string(), ": no trailer at byte ",
                          bytes_.size() - 128, ", expected one in the last 64 bytes"));
}

TEST_F(DamagedStore, IsRefusedWhenTruncatedAtAPageBoundary) {
  for (const std::uint64_t shard_bytes : {std::uint64_t{0}, std::uint64_t{100000}}) {
    {
      StoreWriter writer(path_, {}, {.overwrite = true, .shard_bytes = shard_bytes});
      for (std::uint64_t i = 0; i < 200; ++i) {
        writer.add({.channels = 1, .height = 40, .width = 40, .source = str(i), .labels = {}},
                   random_bytes(1600, i));
      }
      writer.commit(Json::object());
    }
    std::vector<fs::path> files{path_};
    {
      const Store store(path_);
      for (const Shard& shard : store.index().shards) {
        files.push_back(folder_ / std::string(shard.name));
      }
    }
    EXPECT_EQ(files.size(), shard_bytes == 0 ? 1U : 5U);
    for (const fs::path& file : files) {
      const std::string whole = read_file(file);
      for (std::size_t size = 0; size < whole.size(); size += 4096) {
        write_input(file, whole.substr(0, size));
        ASSERT_THROW(Store{path_}, Error) << file << " " << size;
      }
      write_input(file, whole);
      EXPECT_NO_THROW(verify_store(Store(path_), 1));
    }
  }
}

TEST_F(DamagedStore, NeverGivesOtherDataAfterABitFlip) {
  int refused = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const std::uint32_t bit =
        random_below({.seed = 5}, i, static_cast<std::uint32_t>(bytes_.size() * 8));
    std::string flipped = bytes_;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const std::string content = read(flipped);
    if (content.empty()) {
      ++refused;
      ASSERT_NE(message_.find(path_.string()), std::string::npos) << message_;
    } else {
      ASSERT_EQ(content, content_) << "bit " << bit;  // a padding byte
    }
    // verify finds them all.
    ASSERT_THROW(verify_store(Store(path_), 1), Error) << "bit " << bit;
  }
  EXPECT_GT(refused, 5000);
}

TEST_F(DamagedStore, SaysWhichRecordIsDamaged) {
  const auto planes = sample_planes(1);
  const auto record_one = bytes_.find(std::string(planes.begin(), planes.end()));
  ASSERT_NE(record_one, std::string::npos);
  bytes_[record_one + 50] ^= 1;
  write_input(path_, bytes_);
  const Store store(path_);
  std::vector<std::uint8_t> scratch;
  EXPECT_NO_THROW((void)store.planes(0, scratch));
  const std::string who = "record 1 (user/one.png)";
  EXPECT_NE(message_of([&] { (void)store.planes(1, scratch); }).find(who), std::string::npos);
  EXPECT_NE(message_of([&] { verify_store(store, 2); }).find("1 of 5: " + who), std::string::npos);
}

TEST_F(DamagedStore, OtherFilesAreNotStores) {
  read("hello");
  EXPECT_EQ(message_,
            "not a store: " + path_.string() + ": unknown first bytes, expected a Fovea store");
  EXPECT_THROW(Store(folder_ / "missing"), Error);
  EXPECT_THROW(Store(folder_.path()), Error);
  EXPECT_THROW(Store("/dev/null"), Error);
}

// Sets a field of the last trailer and its checksum right again.
template <class Change>
std::string with_trailer(std::string bytes, Change change) {
  store_format::Trailer trailer;
  char* at = bytes.data() + bytes.size() - sizeof trailer;
  std::memcpy(&trailer, at, sizeof trailer);
  change(trailer);
  trailer.crc = crc32c(&trailer, sizeof trailer - sizeof trailer.crc);
  std::memcpy(at, &trailer, sizeof trailer);
  return bytes;
}

TEST_F(DamagedStore, ANewerMajorVersionIsRefusedAndANewerMinorOneRead) {
  store_format::Header header;
  const auto with_header = [&] {
    header.crc = crc32c(&header, sizeof header - sizeof header.crc);
    std::string bytes = bytes_;
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  };
  header.minor = 7;
  EXPECT_EQ(read(with_header()), content_);
  header.major = 1;  // a subset of 2
  EXPECT_EQ(read(with_header()), content_);
  header.major = 3;
  EXPECT_EQ(read(with_header()), "");
  EXPECT_EQ(message_, "store version in " + path_.string() + ": 3.7, expected 1.x to 2.x");
}

TEST_F(DamagedStore, TrailersThatLieAreRefused) {
  using store_format::Trailer;
  EXPECT_EQ(read(with_trailer(bytes_, [](Trailer& t) { t.index_offset = ~0ULL - 63; })), "");
  EXPECT_EQ(read(with_trailer(bytes_, [](Trailer& t) { t.index_size = ~0ULL; })), "");
  EXPECT_EQ(read(with_trailer(bytes_, [](Trailer& t) { t.end += 64; })), "");
  EXPECT_EQ(read(with_trailer(bytes_, [](Trailer& t) { t.previous_trailer = ~0ULL - 63; })), "");
  EXPECT_EQ(read(with_trailer(bytes_, [](Trailer& t) { t.zero[3] = 1; })), "");
}

// An index written with bad intent: checksums right, numbers wrong. Whatever is accepted must be
// readable.
TEST_F(DamagedStore, AnIndexWithWrongNumbersIsRefusedOrConsistent) {
  store_format::Trailer trailer;
  std::memcpy(&trailer, bytes_.data() + bytes_.size() - sizeof trailer, sizeof trailer);
  int refused = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    std::string bytes = bytes_;
    const RandomKey key{.seed = 6, .iteration = i};
    const auto at =
        trailer.index_offset + random_below(key, 0, static_cast<std::uint32_t>(trailer.index_size));
    // A flipped bit, or a byte of extreme value.
    const std::uint32_t kind = random_below(key, 1, 10);
    bytes[at] = static_cast<char>(kind < 8 ? bytes[at] ^ (1 << kind) : kind == 8 ? 0xFF : 0x7F);
    const std::uint32_t crc = crc32c(bytes.data() + trailer.index_offset, trailer.index_size);
    bytes = with_trailer(bytes, [&](store_format::Trailer& t) { t.index_crc = crc; });
    if (read(bytes).empty()) ++refused;
  }
  EXPECT_GT(refused, 500);
}

TEST_F(DamagedStore, VerifyFindsDamageToAnEarlierSegment) {
  append_to_sample_store(path_);
  std::string grown = read_file(path_);
  EXPECT_NO_THROW(verify_store(Store(path_), 1));
  grown[bytes_.size() - 60] ^= 1;  // the first trailer
  write_input(path_, grown);
  EXPECT_NO_THROW((void)Store(path_));
  EXPECT_THROW(verify_store(Store(path_), 1), Error);
}

}  // namespace
}  // namespace fovea
