// The worked example of data/FORMAT.md is what the writer writes.
#include <gtest/gtest.h>

#include <sstream>

#include "data/store.h"
#include "data/writer.h"
#include "engine/core/file.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

// The bytes of the hex dump in FORMAT.md: lines "0040  30 31 20 ...  text"; rows that are left out
// are zero.
std::string documented_bytes() {
  std::istringstream lines(read_file(std::string(FOVEA_SOURCE_DIR) + "/data/FORMAT.md"));
  std::string bytes, line;
  while (std::getline(lines, line)) {
    const bool is_row = line.size() > 53 && line.substr(4, 2) == "  " &&
                        line.find_first_not_of("0123456789abcdef") == 4;
    if (!is_row) continue;
    bytes.resize(std::stoul(line.substr(0, 4), nullptr, 16));
    for (std::size_t i = 0; i < 16; ++i) {
      bytes += static_cast<char>(std::stoul(line.substr(6 + 3 * i, 2), nullptr, 16));
    }
  }
  return bytes;
}

TEST(Format, TheWorkedExampleIsWhatIsWritten) {
  const TemporaryFolder folder;
  const auto path = folder / "example.store";
  StoreWriter writer(path, {{"smile", {"no", "yes"}}}, false);
  writer.add({.height = 1, .width = 2, .source = "a.png", .labels = {1}},
             std::vector<std::uint8_t>{0x30, 0x31, 0x20, 0x21, 0x10, 0x11});
  writer.add_view("smile/all", "smile", std::vector<std::uint32_t>{0}, {{"rule", "all"}});
  writer.commit({{"kind", "example"}});
  EXPECT_EQ(read_file(path), documented_bytes());
}

TEST(Format, TheWorkedExampleReadsBack) {
  const TemporaryFolder folder;
  write_input(folder / "example.store", documented_bytes());
  const Store store(folder / "example.store");
  ASSERT_EQ(store.size(), 1U);
  EXPECT_EQ(store.image(0).pixels, (std::vector<std::uint8_t>{0x10, 0x20, 0x30, 0x11, 0x21, 0x31}));
  EXPECT_EQ(store.column("smile").classes[1], "yes");
  EXPECT_EQ(store.view("smile/all").provenance["rule"], "all");
}

}  // namespace
}  // namespace fovea
