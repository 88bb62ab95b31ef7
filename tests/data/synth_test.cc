#include "data/synth.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <map>
#include <set>
#include <sstream>

#include "data/image.h"
#include "data/synth_face.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "tests/support/message_of.h"
#include "tests/support/temporary_folder.h"

namespace fovea::synth {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
    }
  }
  return files;
}

std::vector<std::vector<std::string>> rows_of(const fs::path& file) {
  std::istringstream lines(read_file(file));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    auto& row = rows.emplace_back();
    for (std::string field; std::getline(fields, field, '\t');) row.push_back(field);
  }
  return rows;
}

constexpr Options kSmall{.count = 64, .size = 32, .folds = 2, .seed = 7, .threads = 2};

TEST(Synth, SameSeedGivesTheSameBytesWhateverTheThreads) {
  const TemporaryFolder a, b, c;
  Options options = kSmall;
  write_faces(a.path(), options);
  options.threads = 1;
  write_faces(b.path(), options);
  options.seed = 8;
  write_faces(c.path(), options);
  const auto first = files_in(a.path());
  EXPECT_EQ(first.size(), 64U + 64U + 2U + 1U);
  EXPECT_TRUE(first == files_in(b.path()));
  EXPECT_FALSE(first == files_in(c.path()));
}

TEST(Synth, WritesTheAdienceLayout) {
  const TemporaryFolder folder;
  write_faces(folder.path(), kSmall);
  std::set<std::string> listed;
  for (int fold = 0; fold < 2; ++fold) {
    const auto rows = rows_of(folder.path() / str("fold_", fold, "_data.txt"));
    ASSERT_EQ(rows.size(), 33U);
    EXPECT_EQ(rows[0], (std::vector<std::string>{"user_id", "original_image", "face_id", "age",
                                                 "gender", "x", "y", "dx", "dy", "tilt_ang",
                                                 "fiducial_yaw_angle", "fiducial_score"}));
    for (std::size_t i = 1; i < rows.size(); ++i) {
      const auto& row = rows[i];
      ASSERT_EQ(row.size(), 12U);
      const std::string path = str(row[0], "/landmark_aligned_face.", row[2], ".", row[1]);
      const Image face = read_image(folder.path() / "aligned" / path);
      EXPECT_EQ(face.height, 32);
      EXPECT_EQ(face.width, 32);
      const fs::path mask = fs::path(path).replace_extension(".png");
      EXPECT_EQ(read_image(folder.path() / "masks" / mask, 1).width, 32);
      EXPECT_TRUE(listed.insert(path).second) << path << " is listed twice";
    }
  }
}

TEST(Synth, SubjectsStayWithinAFoldAndKeepTheirLabels) {
  std::map<std::int64_t, PlannedFace> first;
  for (const PlannedFace& face : plan_faces({.count = 2000})) {
    const PlannedFace& known = first.try_emplace(face.subject, face).first->second;
    EXPECT_EQ(face.fold, known.fold) << "subject " << face.subject;
    EXPECT_EQ(face.labels, known.labels) << "subject " << face.subject;
  }
  EXPECT_EQ(first.size(), 500U);
}

TEST(Synth, EveryCombinationOfLabelsIsInEveryFoldAndBalanced) {
  for (const std::int64_t count : {80, 161, 2000}) {
    std::map<std::pair<int, std::pair<int, Gender>>, int> seen;
    for (const PlannedFace& face : plan_faces({.count = count})) {
      ++seen[{face.fold, {face.labels.age, face.labels.gender}}];
    }
    EXPECT_EQ(seen.size(), 5U * 16U) << count << " faces";
    const auto [low, high] = std::minmax_element(
        seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    EXPECT_LE(high->second - low->second, 4) << count << " faces";
  }
}

// The written mask against pictures that label_mask did not see: another value of one label.
TEST(Synth, MasksCoverWhateverAnotherLabelChanges) {
  const TemporaryFolder folder;
  const Options options{.count = 32, .size = 64, .folds = 1, .seed = 3};
  write_faces(folder.path(), options);
  for (const PlannedFace& planned : plan_faces(options)) {
    const Person person = draw_person(options.seed, static_cast<std::uint64_t>(planned.subject));
    const Shot shot = draw_shot(options.seed, static_cast<std::uint64_t>(planned.index));
    const Image mask = read_image(folder.path() / "masks" / (face_path(planned) + ".png"), 1);
    const Canvas drawn = draw_face(describe(planned.labels, person, shot), shot, options.size);
    for (int age = 0; age < kAgeCount; ++age) {
      for (const Gender gender : {Gender::kMale, Gender::kFemale}) {
        const Labels other{age, gender};
        if ((age == planned.labels.age) == (gender == planned.labels.gender)) continue;
        const int bit = age == planned.labels.age ? kCarriesGender : kCarriesAge;
        const Canvas changed = draw_face(describe(other, person, shot), shot, options.size);
        int outside = 0;
        for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
          for (int c = 0; c < 3; ++c) {
            const float difference = std::abs(drawn.plane(c)[i] - changed.plane(c)[i]);
            outside += difference >= kVisibleDifference && (mask.pixels[i] & bit) == 0;
          }
        }
        EXPECT_EQ(outside, 0) << face_path(planned) << " as age " << age;
      }
    }
  }
}

TEST(Synth, MasksLeaveOutTheBackgroundAndHoldBothLabels) {
  int age = 0, gender = 0, all = 0;
  for (std::uint64_t i = 0; i < 16; ++i) {
    const Labels labels{static_cast<int>(i % 8), i < 8 ? Gender::kMale : Gender::kFemale};
    const Person person = draw_person(1, i);
    const Shot shot = draw_shot(1, i);
    const auto mask =
        label_mask(labels, person, shot, draw_face(describe(labels, person, shot), shot, 64));
    EXPECT_EQ(mask[0], 0) << "the corner is background";
    for (const std::uint8_t bits : mask) {
      age += (bits & kCarriesAge) != 0, gender += (bits & kCarriesGender) != 0, ++all;
    }
  }
  EXPECT_GT(age, all / 20);
  EXPECT_LT(age, all * 7 / 10);
  EXPECT_GT(gender, all / 20);
  EXPECT_LT(gender, all * 6 / 10);
}

TEST(Synth, DistractorsTellNothingOfTheLabels) {
  const Person person = draw_person(5, 1);
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Shot shot = draw_shot(5, i);
    const Face first = describe({0, Gender::kMale}, person, shot);
    for (int age = 0; age < kAgeCount; ++age) {
      const Face other = describe({age, Gender::kFemale}, person, shot);
      EXPECT_EQ(first.glasses, other.glasses);
      EXPECT_EQ(first.hat, other.hat);
      EXPECT_EQ(first.tilt, other.tilt);
      EXPECT_EQ(first.scale, other.scale);
    }
  }
}

TEST(Synth, RefusesWhatItCannotDo) {
  const TemporaryFolder folder;
  write_file(folder.path() / "mine.txt", "keep");
  EXPECT_EQ(message_of([&] { write_faces(folder.path(), kSmall); }),
            str("output exists: ", folder.path().string(),
                ", expected a new or empty folder (or --force)"));
  EXPECT_EQ(message_of([&] { write_faces(folder.path(), {.count = 3, .folds = 5}); }),
            "wrong number of faces: 3, expected 5 (one per fold) to 1000000");
  EXPECT_EQ(message_of([&] { write_faces(folder.path(), {.size = 8}); }),
            "wrong size of a face: 8 pixels, expected 16 to 4096");
  EXPECT_EQ(files_in(folder.path()).size(), 1U);
}

TEST(Synth, ForceReplacesAnEarlierSetAndNothingElse) {
  const TemporaryFolder folder;
  Options options = kSmall;
  options.count = 8, options.folds = 4;
  write_faces(folder.path(), options);
  write_file(folder.path() / "mine.txt", "keep");
  options.folds = 2, options.force = true;
  write_faces(folder.path(), options);
  const auto files = files_in(folder.path());
  EXPECT_EQ(files.size(), 8U + 8U + 2U + 1U + 1U);
  EXPECT_EQ(files.count("fold_2_data.txt"), 0U);
  EXPECT_EQ(files.at("mine.txt"), "keep");
}

// A limit on file sizes fails writes as a full disk does.
TEST(Synth, AFullDiskIsOneClearErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{100, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const std::string message = message_of([&] { write_faces(folder.path() / "out", kSmall); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(message.find("cannot write "), 0U) << message;
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Synth, AnUnwritablePlaceIsOneClearError) {
  const TemporaryFolder folder;
  write_file(folder.path() / "file", "");
  const std::string message =
      message_of([&] { write_faces(folder.path() / "file" / "out", kSmall); });
  EXPECT_EQ(message.find("cannot create folder "), 0U) << message;
}

}  // namespace
}  // namespace fovea::synth
