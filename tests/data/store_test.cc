#include "data/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "data/verify.h"
#include "engine/core/crc32c.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/random.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283U);
  const std::string zeros(32, '\0'), ones(32, '\xFF');  // RFC 3720, B.4
  EXPECT_EQ(crc32c(zeros.data(), 32), 0x8A9136AAU);
  EXPECT_EQ(crc32c(ones.data(), 32), 0x62A8AB43U);
}

TEST(Crc32c, TableAndInstructionAgreeAtEveryLengthAndInPieces) {
  const auto bytes = random_bytes(10000, 1);
  for (std::size_t size = 0; size <= bytes.size(); size += size < 100 ? 1 : 97) {
    EXPECT_EQ(crc32c(bytes.data(), size), crc32c_table(bytes.data(), size)) << size;
    const std::uint32_t first = crc32c(bytes.data(), size);
    EXPECT_EQ(crc32c(bytes.data() + size, bytes.size() - size, first),
              crc32c(bytes.data(), bytes.size()));
  }
}

TEST(Store, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  const auto path = folder / "a.store";
  write_sample_store(path);
  const Store store(path);
  ASSERT_EQ(store.size(), 5U);
  EXPECT_EQ(store.metadata()["purpose"], "test");
  std::vector<std::uint8_t> scratch;
  for (std::uint32_t i = 0; i < 2; ++i) {
    const auto planes = store.planes(i, scratch);
    EXPECT_EQ(std::vector<std::uint8_t>(planes.begin(), planes.end()), sample_planes(i));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(planes.data()) % 64, 0U);
  }
  EXPECT_EQ(store.record(0).source, "user/zero.png");
  EXPECT_EQ(store.record(2).encoding, Encoding::kPng);
  const auto png = store.planes(2, scratch);
  EXPECT_EQ(std::vector<std::uint8_t>(png.begin(), png.end()), sample_planes(2));
  EXPECT_EQ(store.record(3).encoding, Encoding::kJpeg);
  EXPECT_EQ(store.record(4).channels, 7);
  EXPECT_EQ(store.values(4)[5], 5.F / 3 - 2);
  EXPECT_THROW((void)store.planes(4, scratch), Error);
  EXPECT_THROW((void)store.image(4), Error);
  EXPECT_EQ(store.column("age").classes[1], "old");
  EXPECT_EQ(store.column("age").values, (std::vector<std::int32_t>{0, 1, kMissing, kMissing, 1}));
  EXPECT_EQ(store.view("all/twice").records, (std::vector<std::uint32_t>{2, 1, 0, 0, 1, 2}));
  EXPECT_EQ(store.view("age/some").target, 0);
  EXPECT_EQ(store.view("age/some").provenance["fold"], 3);
  EXPECT_NO_THROW(verify_store(store, 2));
}

TEST(Store, AnEmptyOneIsAStoreToo) {
  const TemporaryFolder folder;
  StoreWriter(folder / "a.store", {}, false).commit(Json::object());
  const Store store(folder / "a.store");
  EXPECT_EQ(store.size(), 0U);
  EXPECT_NO_THROW(verify_store(store, 1));
}

TEST(Store, EqualContentGivesEqualBytes) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  write_sample_store(folder / "b.store");
  EXPECT_EQ(read_file(folder / "a.store"), read_file(folder / "b.store"));
}

TEST(Store, UnknownNamesAreAnsweredWithTheNearestOne) {
  const TemporaryFolder folder;
  const auto path = folder / "a.store";
  write_sample_store(path);
  const Store store(path);
  EXPECT_EQ(message_of([&] { (void)store.view("age/sme"); }),
            "unknown view in " + path.string() + ": 'age/sme', did you mean 'age/some'?");
  EXPECT_EQ(message_of([&] { (void)store.column("agee"); }),
            "unknown column in " + path.string() + ": 'agee', did you mean 'age'?");
  EXPECT_THROW((void)store.record(5), Error);
}

TEST(StoreWriter, AppendsASegmentThatKeepsWhatWasThere) {
  const TemporaryFolder folder;
  const auto path = folder / "a.store";
  for (const std::uint64_t shard_bytes : {0, 300}) {
    write_sample_store(path, shard_bytes);
    const std::string before = read_file(path);
    const std::vector<float> jpeg = Store(path).values(3);
    append_to_sample_store(path);
    const std::string after = read_file(path);
    EXPECT_EQ(after.substr(0, before.size()), before);
    const Store store(path);
    ASSERT_EQ(store.size(), 7U);
    EXPECT_EQ(store.values(3), jpeg);
    EXPECT_EQ(store.record(6).source, "new/b");
    EXPECT_EQ(store.column("age").classes[2], "ancient");
    EXPECT_EQ(store.column("age").values,
              (std::vector<std::int32_t>{0, 1, kMissing, kMissing, 1, 2, 0}));
    EXPECT_EQ(store.column("eyes").values[4], kMissing);
    EXPECT_EQ(store.column("eyes").values[5], 0);
    EXPECT_EQ(store.view("age/some").records, (std::vector<std::uint32_t>{0, 5}));
    EXPECT_EQ(store.view("all/twice").records.size(), 6U);
    EXPECT_NO_THROW(verify_store(store, 1));
  }
}

// Names of the files in a folder, in order.
std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(StoreWriter, ShardsAreFilledInTurnAndGoAwayWithTheStoreThatIsReplaced) {
  const TemporaryFolder folder;
  const auto path = folder / "a.store";
  write_sample_store(path, 400);
  // 64 + 128 + 128 bytes fill the first; the PNG opens the second.
  EXPECT_EQ(Store(path).index().records[1].shard, 1U);
  EXPECT_EQ(Store(path).index().records[2].shard, 2U);
  const auto shards = Store(path).index().shards.size();
  EXPECT_EQ(files_in(folder.path()).size(), shards + 1);
  EXPECT_EQ(files_in(folder.path())[1], "a.store.shard-0");
  write_sample_store(path, 1000000);
  EXPECT_EQ(files_in(folder.path()),
            (std::vector<std::string>{"a.store", str("a.store.shard-", shards)}));
  EXPECT_NO_THROW(verify_store(Store(path), 1));
  write_sample_store(path);
  EXPECT_EQ(files_in(folder.path()), (std::vector<std::string>{"a.store"}));
}

TEST(StoreWriter, AMissingShortOrForeignShardIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder / "a.store";
  write_sample_store(path, 1000000);
  const fs::path shard = folder / "a.store.shard-0";
  const std::string bytes = read_file(shard);
  fs::remove(shard);
  EXPECT_EQ(message_of([&] { Store store(path); }),
            "cannot read " + shard.string() + ": No such file or directory");
  write_input(shard, bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(
      message_of([&] { Store store(path); }),
      str("shard in ", shard.string(), ": ", bytes.size() - 1, " bytes, expected ", bytes.size()));
  write_input(shard, std::string(bytes.size(), 'x'));
  EXPECT_THROW(Store{path}, Error);
  std::string other = bytes;
  other[200] ^= 1;
  write_input(shard, other);
  EXPECT_THROW(verify_store(Store(path), 1), Error);
}

NewRecord small_record(int number) {
  return {.height = 5, .width = 7, .source = str("r", number), .labels = {}};
}

TEST(StoreWriter, AResumedWriterGivesTheBytesOfAnUndisturbedOne) {
  const TemporaryFolder folder;
  const auto add_from = [](StoreWriter& writer, int begin, int end) {
    for (int i = begin; i < end; ++i) writer.add(small_record(i), sample_planes(std::uint64_t(i)));
  };
  {
    StoreWriter whole(folder / "whole.store", {}, false);
    add_from(whole, 0, 9);
    whole.commit(Json::object());
  }
  const fs::path path = folder / "a.store", partial = folder / "a.store.partial";
  const auto abandon = [&](int records, const std::string& key) {
    StoreWriter writer(path, {}, {.resume_key = key});
    while (writer.resumable() > 0) writer.resume(str("r", writer.size()), {});
    const auto found = static_cast<int>(writer.size());
    add_from(writer, found, records);
    return found;
  };
  EXPECT_EQ(abandon(5, "key"), 0);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(abandon(6, "key"), 5);
  // A payload that a power cut lost, and what lies behind it, is packed again.
  fs::resize_file(partial, 64 + 128 * 3 + 50);
  EXPECT_EQ(abandon(6, "key"), 3);
  EXPECT_EQ(abandon(6, "another key"), 0);
  EXPECT_EQ(abandon(7, "another key"), 6);
  StoreWriter writer(path, {}, {.resume_key = "another key"});
  while (writer.resumable() > 0) writer.resume(str("r", writer.size()), {});
  EXPECT_EQ(writer.size(), 7U);
  add_from(writer, 7, 9);
  writer.commit(Json::object());
  EXPECT_EQ(read_file(path), read_file(folder / "whole.store"));
  EXPECT_EQ(files_in(folder.path()), (std::vector<std::string>{"a.store", "whole.store"}));
}

TEST(StoreWriter, RefusesALabelOutOfRange) {
  const TemporaryFolder folder;
  StoreWriter writer(folder / "a.store", {{"age", {"young", "old"}}}, false);
  const NewRecord record{.channels = 1, .height = 1, .width = 1, .source = "x", .labels = {2}};
  EXPECT_EQ(message_of([&] { writer.add(record, std::vector<std::uint8_t>{7}); }),
            "label out of range in x: age 2, expected 0 to 1 (or -1 for missing)");
}

TEST(StoreWriter, LeavesNothingWithoutCommitAndRefusesAnExistingFile) {
  const TemporaryFolder folder;
  { const StoreWriter writer(folder / "a.store", {}, false); }
  EXPECT_TRUE(fs::is_empty(folder.path()));
  write_sample_store(folder / "a.store");
  EXPECT_THROW(StoreWriter(folder / "a.store", {}, false), Error);
}

TEST(StoreWriter, AFullDiskIsOneClearErrorAndLeavesNothing) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const TemporaryFolder folder;
  const fs::path path = folder / "a.store";
  fs::create_symlink("/dev/full", str(path.string(), ".tmp", ::getpid()));
  EXPECT_EQ(message_of([&] { write_sample_store(path); }),
            "cannot write " + path.string() + ": No space left on device");
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace fovea
