#include "data/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "data/crc32c.h"
#include "data/verify.h"
#include "engine/core/file.h"
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
  const auto bytes = random_bytes(100, 1);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
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
  ASSERT_EQ(store.size(), 3U);
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
  EXPECT_EQ(store.column("age").classes[1], "old");
  EXPECT_EQ(store.column("age").values, (std::vector<std::int32_t>{0, 1, kMissing}));
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
  EXPECT_THROW((void)store.record(3), Error);
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
