// tests/data/read_store.py, written from FORMAT.md alone, reads the same as data/store.h: the page
// is enough to read a store by.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "data/store.h"
#include "data/verify.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789ABCDEF"[byte >> 4];
    text += "0123456789ABCDEF"[byte & 15];
  }
  return text;
}

// What the Python program should print.
Json content_of(const Store& store, int segments) {
  Json records = Json::array(), columns = Json::array(), views = Json::array();
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const RecordInfo r = store.record(i);
    records.push_back({{"height", r.height},
                       {"width", r.width},
                       {"channels", r.channels},
                       {"source", r.source},
                       {"encoding", enum_name(r.encoding)},
                       {"payload", hex(store.payload(i))}});
  }
  for (const LabelColumn& c : store.columns()) {
    columns.push_back({{"name", c.name}, {"classes", c.classes}, {"values", c.values}});
  }
  for (const View& v : store.views()) {
    views.push_back({{"name", v.name},
                     {"provenance", v.provenance},
                     {"target", v.target},
                     {"records", v.records}});
  }
  return {{"records", records},   {"columns", columns},
          {"views", views},       {"metadata", store.metadata()},
          {"segments", segments}, {"shards", store.index().shards.size()}};
}

class PythonReader : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 -c '' 2>/dev/null") != 0) GTEST_SKIP() << "no python3 here";
  }

  std::string read() const {
    const std::string program = std::string(FOVEA_SOURCE_DIR) + "/tests/data/read_store.py";
    FILE* pipe = ::popen(("python3 " + program + " " + path_.string() + " 2>&1").c_str(), "r");
    std::string text;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
    ::pclose(pipe);
    return text;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "a.store";
};

TEST_F(PythonReader, AgreesOnAStoreWithEveryFeature) {
  for (const std::uint64_t shard_bytes : {0, 500}) {
    write_sample_store(path_, shard_bytes);
    append_to_sample_store(path_);
    const Store store(path_);
    EXPECT_EQ(store.index().shards.empty(), shard_bytes == 0);
    ASSERT_EQ(store.size(), 7U);
    const Json read = Json::parse(this->read(), nullptr, false);
    EXPECT_EQ(read, content_of(store, 2));
    verify_store(store, 1);
  }
}

TEST_F(PythonReader, FindsDamage) {
  write_sample_store(path_);
  const std::string bytes = read_file(path_);
  for (const std::size_t at : {std::size_t{20}, std::size_t{100}, std::size_t{180},
                               bytes.size() - 200, bytes.size() - 10}) {
    std::string damaged = bytes;
    damaged[at] ^= 4;
    write_input(path_, damaged);
    EXPECT_TRUE(read().starts_with("read_store: ")) << at;
  }
}

}  // namespace
}  // namespace fovea
