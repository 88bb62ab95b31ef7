// The study's whole layout, packed: a tiny image under the name of each of its fold rows.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/adience.h"
#include "data/image.h"
#include "data/store.h"
#include "data/verify.h"
#include "engine/core/file.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kStudyFolds = fs::path(FOVEA_ORACLE).parent_path() / "study/folds";

class StudyLayout : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kStudyFolds)) GTEST_SKIP() << "no fold files of the study: " << kStudyFolds;
    options_ = {.images = folder_.path(),
                .folds = kStudyFolds / "original_txt_files",
                .out = folder_ / "study.store",
                .size = 2};
    // Every image has one of 256 colours, by its place in the fold files.
    std::vector<std::string> pictures;
    for (int i = 0; i < 256; ++i) {
      pictures.push_back(encode_png({1, 1, 3, std::vector<std::uint8_t>(3, std::uint8_t(i))}));
    }
    AdienceOptions mixed = options_;
    mixed.alignment = Alignment::kMixed;
    const AdiencePlan plan = plan_adience(mixed).plan;
    std::set<fs::path> folders;
    for (std::size_t i = 0; i < plan.images.size(); ++i) {
      const PlannedImage& image = plan.images[i];
      const fs::path file =
          folder_ / (image.alignment == Alignment::kAligned ? "aligned" : "faces") / image.path;
      if (folders.insert(file.parent_path()).second) fs::create_directories(file.parent_path());
      write_input(file, pictures[i % 256]);
      colour_[image.path] = static_cast<int>(i % 256);
    }
  }

  // Each record shows the image of its name.
  void expect_right_pictures(const Store& store) const {
    std::vector<std::uint8_t> scratch;
    for (std::uint32_t i = 0; i < store.size(); ++i) {
      const auto planes = store.planes(i, scratch);
      const int colour = colour_.at(std::string(store.record(i).source));
      ASSERT_TRUE(std::all_of(planes.begin(), planes.end(), [&](int p) { return p == colour; }))
          << i;
    }
  }

  TemporaryFolder folder_;
  AdienceOptions options_;
  std::map<std::string, int> colour_;
};

TEST_F(StudyLayout, PacksEveryImageOnceWithEveryView) {
  options_.alignment = Alignment::kMixed;
  const AdienceSummary summary = pack_adience(options_);
  EXPECT_EQ(summary.rows, 19487);
  const Store store(options_.out);
  EXPECT_EQ(store.size(), 37314U);
  EXPECT_EQ(store.views().size(), 2U * 5 * 3 * 4);
  const std::map<std::string, std::vector<std::size_t>> counts{
      {"age", {4316, 3101, 3339, 2975, 3693}}, {"gender", {4007, 3624, 3191, 3318, 3463}}};
  for (const auto& [target, by_fold] : counts) {
    for (std::size_t fold = 0; fold < by_fold.size(); ++fold) {
      const auto size = [&](const char* alignment) {
        return store.view(str(target, "/", alignment, "/fold", fold, "/test")).records.size();
      };
      EXPECT_EQ(size("aligned"), by_fold[fold]);
      EXPECT_EQ(size("unaligned"), by_fold[fold]);
      EXPECT_EQ(size("mixed"), 2 * by_fold[fold]);
    }
  }
  expect_right_pictures(store);
  EXPECT_NO_THROW(verify_store(store, 0));
}

TEST_F(StudyLayout, WithListsTheViewsAreTheLists) {
  const std::pair<Alignment, const char*> kinds[] = {
      {Alignment::kAligned, "train_val_txt_files_per_fold"},
      {Alignment::kMixed, "mixed_train_val_txt_files_per_fold"}};
  for (const auto& [alignment, folder] : kinds) {
    options_.lists = kStudyFolds / folder;
    options_.alignment = alignment, options_.overwrite = true;
    pack_adience(options_);
    const Store store(options_.out);
    ASSERT_EQ(store.views().size(), 8U);
    for (const View& view : store.views()) {
      const LabelColumn& column = store.columns()[static_cast<std::size_t>(view.target)];
      std::string lines;
      for (const std::uint32_t i : view.records) {
        lines += str(store.record(i).source, " ", column.values[i], "\n");
      }
      const fs::path list =
          options_.lists / "test_fold_is_0" /
          str(column.name, "_", view.provenance["split"].get<std::string>(), ".txt");
      EXPECT_EQ(lines, read_file(list)) << view.name;
    }
    expect_right_pictures(store);
  }
}

}  // namespace
}  // namespace fovea
