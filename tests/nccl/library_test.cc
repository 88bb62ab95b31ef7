// What is found of NCCL: version, functions, and the words when something is missing.
#include "kernels/nccl/library.h"

#include "engine/backend/registry.h"
#include "kernels/nccl/ranks_sum.h"
#include "tests/nccl/fake_nccl.h"
#include "tests/support/message_of.h"

namespace fovea {
namespace {

// Not a stand-in: wherever the library itself is, GPU or none, it has what is called.
TEST(NcclLibrary, HasEveryFunctionThatIsCalled) {
  const nccl::Runtime& found = nccl::runtime();
  if (!found.library) GTEST_SKIP() << found.missing;
  EXPECT_TRUE(found.library->version.starts_with(str("NCCL ", NCCL_MAJOR, ".")))
      << found.library->version;
  EXPECT_EQ(nccl::offer().version, found.library->version);
  EXPECT_EQ(nccl::offer().missing, "");
}

// Nor here: it takes our configuration, and where it finds no GPU it says so while we ask how far
// it is, and lets the communicator be aborted.
TEST(NcclLibrary, RefusesToJoinWithoutAGpu) {
  nccl::Runtime found = nccl::runtime();
  if (!found.library) GTEST_SKIP() << found.missing;
  if (gpu_count() > 0) GTEST_SKIP() << "there is a GPU";
  found.support = emulated::target().library_support;
  const nccl::RuntimeScope scope(found);
  const auto device = open_device("emulated");
  const std::string words =
      message_of([&] { (void)nccl::join(*device, {.id = nccl::make_id(), .timeout_s = 60}); });
  EXPECT_TRUE(words.starts_with("NCCL: ")) << words;
  EXPECT_TRUE(words.ends_with(", waited for: the ranks to join")) << words;
}

TEST(NcclLibrary, SaysWhatIsMissing) {
  const std::string none = message_of([] { (void)nccl::open_library("libno_such_nccl.so.2"); });
  EXPECT_TRUE(none.starts_with("no libno_such_nccl.so.2: ")) << none;
  EXPECT_TRUE(none.ends_with("expected it in LD_LIBRARY_PATH or among the system's libraries"))
      << none;
  EXPECT_EQ(message_of([] { (void)nccl::open_library("libm.so.6"); }),
            "wrong libm.so.6: no function ncclGetVersion");
  const FakeNccl fake;
  EXPECT_EQ(nccl::offer().version, "NCCL 2.28.9");
  fake.set("version", 30100);
  const std::string newer = message_of([] { (void)nccl::open_library(FOVEA_FAKE_NCCL); });
  fake.set("version", 22809);
  EXPECT_EQ(newer, str("wrong ", FOVEA_FAKE_NCCL, ": version 30100, expected 2.x"));
}

TEST(NcclLibrary, IsNamedWhereItIsMissingAndAskedFor) {
  const nccl::RuntimeScope none({nullptr, nullptr, "no libnccl.so.2: not here"});
  EXPECT_EQ(nccl::offer().missing, "no libnccl.so.2: not here");
  EXPECT_EQ(message_of([] { (void)nccl::make_id(); }), "no NCCL: no libnccl.so.2: not here");
}

}  // namespace
}  // namespace fovea
