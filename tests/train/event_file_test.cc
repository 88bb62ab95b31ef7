// TensorBoard's event files: their bytes, resuming, and TensorBoard's own reader on them.
#include "engine/train/event_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "engine/core/file.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

void add_losses(const EventFile& events, std::int64_t from, std::int64_t to) {
  for (std::int64_t step = from; step <= to; ++step) {
    const Scalar scalars[] = {{"train/loss", 1.0F / static_cast<float>(step)}, {"lr", 0.5F}};
    events.add(step, scalars);
  }
}

// Lengths of the records, by the framing alone.
std::vector<std::uint64_t> record_lengths(const std::string& bytes) {
  std::vector<std::uint64_t> lengths;
  for (std::size_t at = 0; at < bytes.size(); at += lengths.back() + 16) {
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    lengths.push_back(size);
  }
  return lengths;
}

TEST(EventFile, BeginsWithItsVersionInAMaskedChecksumFrame) {
  const TemporaryFolder folder;
  const EventFile events(folder / "events", 0);
  const std::string bytes = read_file(folder / "events");
  // 1 + 8 bytes of wall time, 2 + 13 of "brain.Event:2".
  ASSERT_EQ(bytes.size(), 8U + 4 + 24 + 4);
  EXPECT_EQ(bytes[0], 24);
  EXPECT_EQ(bytes.substr(12 + 11, 13), "brain.Event:2");
  // masked CRC32C of the length 24 as eight bytes, computed with another program
  const unsigned char expected[] = {0xA3, 0x7F, 0x4B, 0x22};
  EXPECT_EQ(std::memcmp(bytes.data() + 8, expected, 4), 0);
}

TEST(EventFile, AResumedRunDropsWhatComesAgain) {
  const TemporaryFolder folder;
  add_losses(EventFile(folder / "events", 0), 1, 10);
  EXPECT_EQ(record_lengths(read_file(folder / "events")).size(), 11U);
  add_losses(EventFile(folder / "events", 4), 5, 6);
  EXPECT_EQ(record_lengths(read_file(folder / "events")).size(), 7U);
  // A record cut by a kill goes, too.
  std::string bytes = read_file(folder / "events");
  write_file(folder / "events", bytes.substr(0, bytes.size() - 3));
  add_losses(EventFile(folder / "events", 6), 7, 7);
  EXPECT_EQ(record_lengths(read_file(folder / "events")).size(), 7U);
  // And everything goes when the run begins anew.
  const EventFile anew(folder / "events", 0);
  EXPECT_EQ(record_lengths(read_file(folder / "events")).size(), 1U);
}

TEST(EventFile, TensorBoardReadsIt) {
  const std::string python = std::string(FOVEA_SOURCE_DIR) + "/.venv/bin/python";
  if (std::system((python + " -c 'import tensorboard' >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP() << "no TensorBoard in .venv (scripts/peers makes it)";
  const TemporaryFolder folder;
  add_losses(EventFile(folder / "events.out.tfevents.fovea", 0), 1, 4);
  const Text texts[] = {{"eval/confusion", "| 1 | 2 |"}};
  EventFile(folder / "events.out.tfevents.fovea", 4).add(5, {}, texts);
  write_file(folder / "read.py", R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = EventAccumulator(sys.argv[1])
run.Reload()
print(sorted(run.Tags()["scalars"]))
print([(e.step, e.value) for e in run.Scalars("train/loss")])
for tag in run.Tags()["tensors"]:
    metadata = run.SummaryMetadata(tag).plugin_data.plugin_name
    print(tag, metadata, [(e.step, e.tensor_proto.string_val) for e in run.Tensors(tag)])
)");
  const std::string out = (folder / "out").string();
  ASSERT_EQ(std::system((python + " " + (folder / "read.py").string() + " " +
                         folder.path().string() + " >" + out + " 2>/dev/null")
                            .c_str()),
            0);
  EXPECT_EQ(read_file(out),
            "['lr', 'train/loss']\n"
            "[(1, 1.0), (2, 0.5), (3, 0.3333333432674408), (4, 0.25)]\n"
            "eval/confusion text [(5, [b'| 1 | 2 |'])]\n");
}

}  // namespace
}  // namespace fovea
