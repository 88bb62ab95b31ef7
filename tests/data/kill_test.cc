// Writers that are killed at random moments, as processes: the store is the old one or the new one,
// never anything else, and a repeated run gives the bytes of an undisturbed one.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "data/image.h"
#include "data/store.h"
#include "data/verify.h"
#include "tests/data/sample_store.h"
#include "tests/support/command.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr int kKills = 50;

// When to kill: a drawn part of the time that the command is thought to take, which follows what is
// seen, because one run on a busy machine says little about the next: about one in three finishes.
class Moments {
 public:
  Moments(std::chrono::microseconds whole, std::uint64_t seed)
      : longest_(static_cast<double>(whole.count())), seed_(seed) {}

  [[nodiscard]] std::chrono::microseconds next() {
    return std::chrono::microseconds(
        static_cast<std::int64_t>(longest_ * random_uniform({.seed = seed_}, draw_++)));
  }
  void saw(bool finished) {
    longest_ *= finished ? 0.9 : 1.05;
    unfinished_ += finished ? 0 : 1;
  }
  [[nodiscard]] int unfinished() const { return unfinished_; }

 private:
  double longest_;
  std::uint64_t seed_, draw_ = 0;
  int unfinished_ = 0;
};

class KilledWriter : public testing::Test {
 protected:
  KilledWriter() {
    for (int i = 0; i < 40; ++i) {
      const fs::path file = folder_ / str("in/class", i % 3) / str(i, ".png");
      fs::create_directories(file.parent_path());
      const auto seed = static_cast<std::uint64_t>(i);
      write_input(file, encode_png(from_planes(random_bytes(3 * 40 * 40, seed), 3, 40, 40)));
    }
  }

  // Runs a command until it is done, and returns how long that took.
  std::chrono::microseconds time_of(const std::vector<std::string>& arguments) {
    const auto start = std::chrono::steady_clock::now();
    const CommandResult r = run_command(folder_.path(), arguments);
    EXPECT_EQ(r.code, 0) << r.err;
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start);
  }
  void kill_after(const std::vector<std::string>& arguments, std::chrono::microseconds moment) {
    Command command(folder_.path(), arguments);
    std::this_thread::sleep_for(moment);
    command.kill();
  }

  std::vector<std::string> pack(const std::string& out) const {
    return {"data",
            "folder",
            (folder_ / "in").string(),
            "--out",
            (folder_ / out).string(),
            "--encode",
            "raw",
            "--size",
            "90"};
  }

  TemporaryFolder folder_;
};

TEST_F(KilledWriter, OfANewStoreLeavesNoneOrAllAndIsResumed) {
  Moments moments(time_of(pack("whole.store")), 11);
  const std::string whole = read_file(folder_ / "whole.store");
  for (int i = 0; i < kKills; ++i) {
    kill_after(pack("a.store"), moments.next());
    const fs::path path = folder_ / "a.store";
    moments.saw(fs::exists(path));
    if (!fs::exists(path)) {
      ASSERT_EQ(run_command(folder_.path(), pack("a.store")).code, 0) << i;
    }
    ASSERT_TRUE(read_file(path) == whole) << i;
    fs::remove(path);
    ASSERT_FALSE(fs::exists(folder_ / "a.store.partial")) << i;
    fs::remove(folder_ / "a.store.partial.log");  // killed between the rename and its removal
  }
  EXPECT_GT(moments.unfinished(), kKills / 4);
}

TEST_F(KilledWriter, OfAnAppendedSegmentLeavesTheOldStoreOrTheNewOne) {
  ASSERT_EQ(run_command(folder_.path(), pack("a.store")).code, 0);
  const fs::path path = folder_ / "a.store";
  const std::string before = read_file(path);
  const std::vector<std::string> append{"data",     "append", path,     (folder_ / "in").string(),
                                        "--encode", "raw",    "--size", "90"};
  Moments moments(time_of(append), 12);
  const std::string after = read_file(path);
  EXPECT_EQ(Store(path).size(), 80U);
  for (int i = 0; i < kKills; ++i) {
    write_input(path, before);
    kill_after(append, moments.next());
    const std::string now = read_file(path);
    ASSERT_TRUE(now == before || now == after) << i;
    moments.saw(now == after);
    ASSERT_NO_THROW(verify_store(Store(path), 1)) << i;
  }
  EXPECT_GT(moments.unfinished(), kKills / 4);
}

}  // namespace
}  // namespace fovea
