#include "data/folds.h"

#include <gtest/gtest.h>

#include "data/adience_plan.h"
#include "data/lists.h"
#include "data/study_views.h"
#include "engine/core/file.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr char kHeader[] = "user_id\toriginal_image\tface_id\tage\tgender\tx\n";

const fs::path kStudyFolds = fs::path(FOVEA_ORACLE).parent_path() / "study/folds";

TEST(Folds, OnlyLiteralClassNamesCountForAge) {
  const TemporaryFolder folder;
  write_input(folder / "fold_0_data.txt",
              str(kHeader, "u1\ta.jpg\t1\t(25, 32)\tm\t0\n", "u1\tb.jpg\t2\t(25, 23)\tf\t0\n",
                  "u2\tc.jpg\t3\t35\tu\t0\n", "u2\td.jpg\t4\tNone\t\t0\n"));
  write_input(folder / "fold_1_data.txt",
              str(kHeader, "u3\te.jpg\t5\t(60, 100)\tf\t0\r\n"));  // a Windows line end
  const FoldFiles files = read_fold_files(folder.path());
  ASSERT_EQ(files.rows.size(), 5U);
  using Labels = std::array<std::int32_t, 2>;
  EXPECT_EQ(files.rows[0].labels, (Labels{4, 0}));
  EXPECT_EQ(files.rows[1].labels, (Labels{kMissing, 1}));
  EXPECT_EQ(files.rows[2].labels, (Labels{kMissing, kMissing}));
  EXPECT_EQ(files.rows[3].labels, (Labels{kMissing, kMissing}));
  EXPECT_EQ(files.rows[4].labels, (Labels{7, 1}));
  EXPECT_EQ(files.rows[4].fold, 1);
  EXPECT_EQ(files.unlabelled[0].at("(25, 23)"), 1);
  EXPECT_EQ(files.unlabelled[1].at("u"), 1);
}

TEST(Folds, MistakesAreNamedWithFileAndLine) {
  const TemporaryFolder folder;
  const fs::path file = folder / "fold_0_data.txt";
  const auto message = [&](const std::string& content) {
    write_input(file, content);
    return message_of([&] { (void)read_fold_files(folder.path()); });
  };
  EXPECT_EQ(message(str(kHeader, "u1\ta.jpg\t1\t(0, 2)\tx\t0\n")),
            "gender in " + file.string() + ":2: 'x', expected m, f, u or nothing");
  EXPECT_EQ(message(str(kHeader, "u1\ta.jpg\t1\t(0, 2)\tm\n")),
            "row in " + file.string() + ":2: 5 fields, expected 6");
  EXPECT_EQ(message("user_id\tface_id\tage\tgender\n"),
            "header in " + file.string() +
                ":1: no column 'original_image', expected tab-separated "
                "user_id original_image face_id age gender ...");
  fs::remove(file);
  EXPECT_EQ(message_of([&] { (void)read_fold_files(folder.path()); }),
            "cannot read " + file.string() + ": No such file or directory");
}

TEST(Folds, AMissingFileBetweenOthersIsNamed) {
  const TemporaryFolder folder;
  for (const int fold : {0, 2, 10}) {
    write_input(folder / str("fold_", fold, "_data.txt"),
                str(kHeader, "u", fold, "\ta.jpg\t1\t(0, 2)\tm\t0\n"));
  }
  write_input(folder / "fold_11_data.txt.old", "another file");
  EXPECT_EQ(message_of([&] { (void)read_fold_files(folder.path()); }),
            "missing fold file in " + folder.path().string() +
                ": no fold_1_data.txt, expected every number up to fold_10_data.txt");
}

TEST(FoldFiles, TheLabelFixReadsWhatAnAgeCanOnlyMean) {
  const auto group = [](std::string_view text) {
    const std::int32_t k = fixed_age(text);
    return k == kMissing ? std::string_view("none") : kAgeClasses[static_cast<std::size_t>(k)];
  };
  EXPECT_EQ(group("(25, 23)"), "(25, 32)");
  EXPECT_EQ(group("(27, 32)"), "(25, 32)");
  EXPECT_EQ(group("(38, 42)"), "(38, 43)");
  EXPECT_EQ(group("(8, 23)"), "(8, 12)");
  EXPECT_EQ(group("29"), "(25, 32)");
  EXPECT_EQ(group("2"), "(0, 2)");
  for (const char* text : {"(38, 48)", "35", "None", "", "3", "(1, 2, 3)", "(25, 32"}) {
    EXPECT_EQ(group(text), "none") << text;
  }
}

TEST(FoldFiles, TheLabelFixGivesTheStudy219MoreAges) {
  if (!fs::exists(kStudyFolds)) GTEST_SKIP() << "no fold files of the study: " << kStudyFolds;
  const FoldFiles plain = read_fold_files(kStudyFolds / "original_txt_files");
  const FoldFiles fixed = read_fold_files(kStudyFolds / "original_txt_files", true);
  std::int64_t more = 0, gained = 0;
  for (const auto& [text, rows] : fixed.fixed) gained += rows;
  for (std::size_t i = 0; i < plain.rows.size(); ++i) {
    if (plain.rows[i].labels[0] != kMissing) {
      EXPECT_EQ(fixed.rows[i].labels[0], plain.rows[i].labels[0]);
    }
    more += plain.rows[i].labels[0] == kMissing && fixed.rows[i].labels[0] != kMissing;
  }
  // (27, 32) 77, (25, 23) 72, (38, 42) 50, 29 12, 32 3, 2 3, 42 1, (8, 23) 1
  EXPECT_EQ(more, 219);
  EXPECT_EQ(gained, 219);
  EXPECT_TRUE(plain.fixed.empty());
}

// Five folds of 40 faces; every fourth row is repeated, every fifth has no age.
FoldFiles sample_folds() {
  FoldFiles files;
  for (int fold = 0; fold < 5; ++fold) {
    for (int i = 0; i < 40; ++i) {
      const FaceRow row{.fold = fold,
                        .user = str("u", fold, i % 7),
                        .original_image = str(i, ".jpg"),
                        .face_id = std::to_string(i),
                        .labels = {i % 5 == 0 ? kMissing : i % 8, i % 2}};
      files.rows.push_back(row);
      if (i % 4 == 0) files.rows.push_back(row);
    }
    files.files.push_back({str("fold_", fold, "_data.txt"), 0, 50});
  }
  return files;
}

const PlannedView& find_view(const AdiencePlan& plan, Target target, Alignment alignment, int fold,
                             const std::string& split) {
  for (const PlannedView& view : plan.views) {
    if (view.target == target && view.alignment == alignment && view.fold == fold &&
        view.split == split) {
      return view;
    }
  }
  throw Error("no such view");
}

TEST(StudyViews, SplitTheRowsOfEveryFold) {
  const AdiencePlan plan = plan_from_folds(sample_folds(), Alignment::kAligned, 0);
  EXPECT_EQ(plan.images.size(), 200U);
  EXPECT_EQ(plan.repeated_rows, 50);
  EXPECT_EQ(plan.views.size(), 2U * 5 * 4);
  for (int fold = 0; fold < 5; ++fold) {
    const auto view = [&](const char* split) {
      return find_view(plan, Target::kAge, Alignment::kAligned, fold, split).images;
    };
    const auto train = view("train"), val = view("val"), subset = view("train_subset");
    // 32 of 40 faces have an age, and 8 of the 10 repeated ones.
    EXPECT_EQ(view("test").size(), 40U);
    EXPECT_EQ(train.size() + val.size(), 160U);
    EXPECT_NEAR(static_cast<double>(val.size()), 16, 1);
    EXPECT_NEAR(static_cast<double>(subset.size()), static_cast<double>(val.size()), 1);
    for (const std::uint32_t image : view("test")) EXPECT_EQ(plan.images[image].fold, fold);
    for (const std::uint32_t image : val) {
      EXPECT_NE(plan.images[image].fold, fold);
      EXPECT_EQ(std::count(train.begin(), train.end(), image), 0) << "in train and val";
    }
    for (const std::uint32_t image : subset) {
      EXPECT_EQ(std::count(subset.begin(), subset.end(), image),
                std::count(train.begin(), train.end(), image));
    }
  }
}

TEST(StudyViews, DependOnTheSeedAlone) {
  const FoldFiles files = sample_folds();
  const auto val = [&](std::uint64_t seed) {
    const AdiencePlan plan = plan_from_folds(files, Alignment::kAligned, seed);
    return find_view(plan, Target::kGender, Alignment::kAligned, 2, "val").images;
  };
  EXPECT_EQ(val(1), val(1));
  EXPECT_NE(val(1), val(2));
}

TEST(StudyViews, MixedHoldsBothAlignmentsOfTheSameFaces) {
  const AdiencePlan plan = plan_from_folds(sample_folds(), Alignment::kMixed, 0);
  EXPECT_EQ(plan.images.size(), 400U);
  EXPECT_EQ(plan.views.size(), 3U * 2 * 5 * 4);
  const auto view = [&](Alignment alignment) {
    return find_view(plan, Target::kAge, alignment, 1, "val").images;
  };
  const auto aligned = view(Alignment::kAligned), unaligned = view(Alignment::kUnaligned);
  std::vector<std::uint32_t> both;
  ASSERT_EQ(aligned.size(), unaligned.size());
  for (std::size_t i = 0; i < aligned.size(); ++i) {
    both.push_back(aligned[i]), both.push_back(unaligned[i]);
  }
  EXPECT_EQ(view(Alignment::kMixed), both);
  EXPECT_EQ(plan.images[unaligned[0]].path.find("/coarse_tilt_aligned_face."), 3U);
}

TEST(StudyViews, ContradictingLabelsOfOneFaceAreAnError) {
  FoldFiles files = sample_folds();
  files.rows.push_back(files.rows.front());
  files.rows.back().labels[1] = 1 - files.rows.back().labels[1];
  EXPECT_EQ(message_of([&] { (void)plan_from_folds(files, Alignment::kAligned, 0); }),
            "contradicting label in fold_0_data.txt: u00/landmark_aligned_face.0.0.jpg has gender "
            "1, expected 0 as elsewhere");
}

// What the study's papers and lists say about its own files.
TEST(StudyViews, HaveTheStudysCounts) {
  if (!fs::exists(kStudyFolds)) GTEST_SKIP() << "no fold files of the study: " << kStudyFolds;
  const AdiencePlan plan =
      plan_from_folds(read_fold_files(kStudyFolds / "original_txt_files"), Alignment::kMixed, 0);
  constexpr std::size_t kCounts[2][5] = {{4316, 3101, 3339, 2975, 3693},
                                         {4007, 3624, 3191, 3318, 3463}};
  EXPECT_EQ(plan.images.size(), 37314U);
  for (const Target target : kTargets) {
    for (int fold = 0; fold < 5; ++fold) {
      const std::size_t expected = kCounts[static_cast<int>(target)][fold];
      const auto test = [&](Alignment alignment) {
        return find_view(plan, target, alignment, fold, "test").images.size();
      };
      EXPECT_EQ(test(Alignment::kAligned), expected) << enum_name(target) << " " << fold;
      EXPECT_EQ(test(Alignment::kMixed), 2 * expected) << enum_name(target) << " " << fold;
    }
  }
}

TEST(Lists, GiveTheStudysOwnSplits) {
  if (!fs::exists(kStudyFolds)) GTEST_SKIP() << "no lists of the study: " << kStudyFolds;
  const FoldFiles files = read_fold_files(kStudyFolds / "original_txt_files");
  const auto lists = read_lists(kStudyFolds / "train_val_txt_files_per_fold");
  const AdiencePlan plan = plan_from_lists(lists, files, Alignment::kAligned);
  ASSERT_EQ(plan.views.size(), 8U);
  const auto count = [&](Target target, const char* split) {
    return find_view(plan, target, Alignment::kAligned, 0, split).images.size();
  };
  EXPECT_EQ(count(Target::kAge, "train"), 11823U);
  EXPECT_EQ(count(Target::kAge, "val"), 1284U);
  EXPECT_EQ(count(Target::kAge, "train_subset"), 1295U);
  EXPECT_EQ(count(Target::kAge, "test"), 4316U);
  EXPECT_EQ(count(Target::kGender, "test"), 4007U);
  // Order and labels of every view are the list's.
  for (std::size_t v = 0; v < lists.size(); ++v) {
    const PlannedView& view =
        find_view(plan, lists[v].target, Alignment::kAligned, 0, lists[v].split);
    const auto& images = lists[v].images;
    ASSERT_EQ(view.images.size(), images.size());
    for (std::size_t i = 0; i < images.size(); ++i) {
      const PlannedImage& image = plan.images[view.images[i]];
      ASSERT_EQ(image.path, images[i].path);
      ASSERT_EQ(image.labels[static_cast<std::size_t>(lists[v].target)], images[i].label);
      ASSERT_TRUE(lists[v].split != "test" || image.fold == 0);
    }
  }
}

class ListFolder : public testing::Test {
 protected:
  ListFolder() {
    fs::create_directories(folder_ / "test_fold_is_2");
    for (const char* target : {"age", "gender"}) {
      for (const std::string_view split : kSplits) {
        write_input(file(target, split), "u/landmark_aligned_face.1.x.jpg 1\n");
      }
    }
  }
  fs::path file(std::string_view target, std::string_view split) const {
    return folder_ / "test_fold_is_2" / str(target, "_", split, ".txt");
  }
  TemporaryFolder folder_;
};

TEST_F(ListFolder, WorksWithoutFoldFiles) {
  const AdiencePlan plan = plan_from_lists(read_lists(folder_.path()), {}, Alignment::kAligned);
  ASSERT_EQ(plan.images.size(), 1U);
  EXPECT_EQ(plan.images[0].labels, (std::array<std::int32_t, 2>{1, 1}));
  EXPECT_EQ(plan.images[0].fold, 2);
  EXPECT_EQ(plan.images[0].subject, "u");
  EXPECT_EQ(plan.folds, 3);
}

TEST_F(ListFolder, LabelsOutOfRangeAreNamedWithTheirLine) {
  write_input(file("gender", "val"), "u/landmark_aligned_face.1.x.jpg 1\nu/y.jpg 2\n");
  EXPECT_EQ(message_of([&] { (void)read_lists(folder_.path()); }),
            "label out of range in " + file("gender", "val").string() + ":2: '2', expected 0 to 1");
}

TEST_F(ListFolder, ImagesOfAnotherAlignmentAreAnError) {
  EXPECT_EQ(message_of([&] {
              (void)plan_from_lists(read_lists(folder_.path()), {}, Alignment::kUnaligned);
            }),
            "image in " + file("age", "train").string() +
                ":1: u/landmark_aligned_face.1.x.jpg, expected <user>/<file> of --alignment "
                "unaligned");
}

}  // namespace
}  // namespace fovea
