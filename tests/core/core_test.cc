#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/core/random.h"
#include "tests/support/message_of.h"
#include "tests/support/temporary_folder.h"

namespace fovea {
namespace {

enum class Mode { kMax, kAverage };

struct Params {
  Mode mode = Mode::kMax;
  std::array<std::int64_t, 2> kernel{3, 3};
  float alpha = 0.0001F;
  bool ceil = true;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("mode", p.mode), v("kernel", p.kernel), v("alpha", p.alpha), v("ceil", p.ceil);
  }
};

}  // namespace
template <>
inline constexpr EnumTable<Mode, 2> enum_names<Mode>{
    {{"max", Mode::kMax}, {"average", Mode::kAverage}}};
namespace {

// Known-answer vectors of the Random123 distribution (philox4x32, 10 rounds).
TEST(Philox, GivesThePublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, NormalHasMeanZeroAndVarianceOne) {
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random_normal({.seed = 1}, static_cast<std::uint64_t>(i));
    sum += x, squares += x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.02);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
}

TEST(Philox, ShuffleIsAPermutationThatDependsOnTheKey) {
  std::vector<int> a(1000), b;
  std::iota(a.begin(), a.end(), 0);
  b = a;
  random_shuffle<int>({.seed = 1}, a);
  random_shuffle<int>({.seed = 2}, b);
  EXPECT_NE(a, b);
  EXPECT_EQ(std::set<int>(a.begin(), a.end()).size(), 1000U);
}

TEST(Fields, ReadWhatTheyWrote) {
  Params p, q;
  p.mode = Mode::kAverage, p.kernel = {5, 3}, p.alpha = 0.01F;
  read_json(write_json(p), q, "test");
  EXPECT_EQ(write_json(q).dump(), R"({"mode":"average","kernel":[5,3],"alpha":0.01,"ceil":true})");
}

TEST(Fields, SayWhatIsWrong) {
  Params p;
  EXPECT_EQ(
      message_of([&] { read_json(Json::parse(R"({"kernal": 3})"), p, "net.json: layers[0]"); }),
      "unknown key in net.json: layers[0]: 'kernal', did you mean 'kernel'?");
  EXPECT_EQ(message_of([&] { read_json(Json::parse(R"({"mode": "maxx"})"), p, "n"); }),
            "wrong value in n.mode: \"maxx\", expected max | average, did you mean 'max'?");
  EXPECT_EQ(message_of([&] { read_json(Json::parse(R"({"ceil": 1})"), p, "n"); }),
            "wrong value in n.ceil: 1, expected true or false");
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  { AtomicFile(folder / "x").write("half"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  write_file(folder / "x", "whole");
  EXPECT_EQ(read_file(folder / "x"), "whole");
  EXPECT_THROW(write_file(folder / "x", "again", false), Error);
}

TEST(AtomicFile, MakesItsFoldersAndLeavesNoEmptyOnes) {
  const TemporaryFolder folder;
  { AtomicFile(folder / "a/b/x").write("half"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  write_file(folder / "a/b/x", "whole");
  EXPECT_EQ(read_file(folder / "a/b/x"), "whole");
  std::filesystem::create_directory(folder / "mine");
  { AtomicFile(folder / "mine/b/x").write("half"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder / "mine"));
  EXPECT_EQ(message_of([&] { write_file(folder / "a/b/x/y", "below a file"); }),
            "cannot create " + (folder / "a/b/x/y").string() + ": Not a directory");
}

TEST(AtomicFile, APartialFileStaysAndIsGoneOnWith) {
  const TemporaryFolder folder;
  { AtomicFile(folder / "x", false, folder / "x.partial", 0).write("half lost"); }
  AtomicFile second(folder / "x", false, folder / "x.partial", 4);
  EXPECT_EQ(second.size(), 4U);
  second.write(" whole");
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
  second.commit();
  EXPECT_EQ(read_file(folder / "x"), "half whole");
  EXPECT_FALSE(std::filesystem::exists(folder / "x.partial"));
}

TEST(AtomicFile, CopiesAnotherFileAndGoesOn) {
  const TemporaryFolder folder;
  write_file(folder / "x", std::string(3000000, 'x'));
  AtomicFile copy(folder / "y");
  copy.copy(folder / "x");
  EXPECT_EQ(copy.size(), 3000000U);
  copy.write("y");
  copy.commit();
  EXPECT_EQ(read_file(folder / "y"), std::string(3000000, 'x') + "y");
}

TEST(AtomicFile, AFullDiskIsOneClearError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const TemporaryFolder folder;
  const auto link = folder / str("full.tmp", getpid());
  std::filesystem::create_symlink("/dev/full", link);
  const auto target = folder / "full";
  EXPECT_EQ(message_of([&] { write_file(target, "text"); }),
            str("cannot write ", target.string(), ": No space left on device"));
  EXPECT_FALSE(std::filesystem::exists(target));
  EXPECT_FALSE(std::filesystem::is_symlink(link));
}

TEST(Npy, ReadsWhatItWrote) {
  const TemporaryFolder folder;
  const auto path = folder / "a.npy";
  Tensor<float> a(Shape{2, 3, 1, 4});
  std::iota(a.values.begin(), a.values.end(), -3.5F);
  write_npy(path, a.view());
  const auto b = read_npy(path);
  EXPECT_EQ(a.shape, b.shape);
  EXPECT_EQ(a.values, b.values);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_THROW((void)read_npy(path), Error);
}

// Headers that once led behind the file, to another exception, or to more memory than there is.
TEST(Npy, WrongHeadersAreErrors) {
  const TemporaryFolder folder;
  const auto path = folder / "wrong.npy";
  const auto read = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return message_of([&] { (void)read_npy(path); });
  };
  const auto headed = [](const std::string& header, const std::string& data = "") {
    return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) + '\0' + header +
           data;
  };
  const auto shaped = [&](const std::string& shape) {
    return read(headed("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }"));
  };
  EXPECT_NE(read(std::string("\x93NUMPY\x02\0\0\0", 10)).find("truncated file"), std::string::npos);
  EXPECT_NE(read(headed("{'fortran_order':")).find("nothing behind 'fortran_order'"),
            std::string::npos);
  EXPECT_NE(read(headed("{'fortran_order': False")).find("no end of 'fortran_order'"),
            std::string::npos);
  EXPECT_NE(shaped("(1, 2").find("no end of 'shape'"), std::string::npos);
  for (const char* shape :
       {"(99999999999999999999,)", "(4611686018427387904,)", "(4294967296, 4294967296)"})
    EXPECT_NE(shaped(shape).find("wrong shape in"), std::string::npos) << shape;
  EXPECT_EQ(shaped("(0, 99)"), "");
}

}  // namespace
}  // namespace fovea
