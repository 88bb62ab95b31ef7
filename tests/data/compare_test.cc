// Splits, differences and audits of stores made for it.
#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "data/audit.h"
#include "data/diff.h"
#include "data/resize.h"
#include "data/split.h"
#include "data/stats.h"
#include "data/verify.h"
#include "engine/core/json_fields.h"
#include "tests/data/sample_store.h"
#include "tests/support/command.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// A smooth picture that depends on its number.
Image picture(std::uint64_t number, int size = 32) {
  Image image{size, size, 3, {}};
  const auto wave = [&](std::uint64_t i) { return random_uniform({.seed = number}, i); };
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const double u = double(x) / size, v = double(y) / size;
      const double value = std::sin(12 * wave(0) * u + 9 * wave(1) * v + 6 * wave(2)) +
                           std::cos(15 * wave(3) * u - 12 * wave(4) * v + 6 * wave(5));
      image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(128 + 60 * value));
    }
  }
  return image;
}

void add_picture(StoreWriter& writer, const Image& image, const std::string& source,
                 std::vector<std::int32_t> labels) {
  std::vector<std::uint8_t> planes(image.pixels.size());
  to_planes(image, planes);
  writer.add({.height = image.height, .width = image.width, .source = source, .labels = labels},
             planes);
}

// 60 people of 1 to 9 pictures, four classes of very different size.
void write_people(const fs::path& path) {
  StoreWriter writer(path,
                     {{"age", {"a", "b", "c", "d"}},
                      {"subject",
                       [] {
                         std::vector<std::string> people;
                         for (int i = 0; i < 60; ++i) people.push_back(str("p", i));
                         return people;
                       }()}},
                     true);
  for (int person = 0; person < 60; ++person) {
    for (int i = 0; i <= person % 9; ++i) {
      const int age = person % 10 < 6 ? 0 : person % 10 < 8 ? 1 : person % 10 < 9 ? 2 : 3;
      add_picture(writer, {1, 1, 3, {1, 2, std::uint8_t(i)}}, str(person, "/", i),
                  {i == 8 ? kMissing : age, person});
    }
  }
  writer.commit({{"kind", "test"}});
}

TEST(Split, KeepsPeopleTogetherAndClassesAlike) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.store";
  write_people(path);
  split_store(path, {.label = "age", .folds = 5, .seed = 3});
  const Store store(path);
  EXPECT_NO_THROW(verify_store(store, 1));
  const LabelColumn &age = store.column("age"), &subject = store.column("subject");
  std::set<std::uint32_t> tested;
  std::vector<double> share(5);
  for (int fold = 0; fold < 5; ++fold) {
    const auto people = [&](const char* split) {
      std::set<std::int32_t> all;
      for (const std::uint32_t i : store.view(str("age/split/fold", fold, "/", split)).records) {
        EXPECT_NE(age.values[i], kMissing);
        all.insert(subject.values[i]);
      }
      return all;
    };
    const auto train = people("train"), val = people("val"), test = people("test");
    for (const std::int32_t person : test) EXPECT_FALSE(train.contains(person));
    for (const std::int32_t person : test) EXPECT_FALSE(val.contains(person));
    for (const std::int32_t person : val) EXPECT_FALSE(train.contains(person));
    EXPECT_FALSE(val.empty());
    const auto& records = store.view(str("age/split/fold", fold, "/test")).records;
    tested.insert(records.begin(), records.end());
    const auto rows = static_cast<double>(records.size());
    double largest = 0;
    for (const std::uint32_t i : records) largest += age.values[i] == 0;
    // 280 pictures of 60 people, of at most 8: folds are about 56, and three in five of class 0.
    EXPECT_NEAR(rows, 55, 9) << fold;
    EXPECT_NEAR(largest / rows, 0.6, 0.12) << fold;
  }
  EXPECT_EQ(tested.size(),
            static_cast<std::size_t>(
                std::count_if(age.values.begin(), age.values.end(), [](int v) { return v >= 0; })));
  EXPECT_EQ(
      message_of([&] { split_store(path, {.label = "age"}); }),
      "view in " + path.string() + ": 'age/split/fold0/train' exists already, expected a new name");
}

TEST(Split, DependsOnTheSeedAndNeedsEnoughGroups) {
  const TemporaryFolder folder;
  write_people(folder / "a.store");
  const Store store(folder / "a.store");
  std::vector<std::uint32_t> all(store.size());
  for (std::uint32_t i = 0; i < store.size(); ++i) all[i] = i;
  const auto deal = [&](int folds, std::uint64_t seed) {
    return deal_folds(store.column("age"), &store.column("subject"), all, folds, seed);
  };
  EXPECT_EQ(deal(5, 1), deal(5, 1));
  EXPECT_NE(deal(5, 1), deal(5, 2));
  EXPECT_THROW((void)deal(61, 1), Error);
}

TEST(Split, SaysWhichOptionAsksForTooManyParts) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.store";
  StoreWriter writer(path, {{"age", {"a", "b"}}}, true);
  for (int i = 0; i < 8; ++i) add_picture(writer, {1, 1, 3, {1, 2, 3}}, str(i), {i % 2});
  writer.commit(Json::object());
  const auto message = [&](int folds, int validation) {
    return message_of([&] {
      split_store(path, {.label = "age", .group = "", .folds = folds, .validation = validation});
    });
  };
  EXPECT_EQ(message(2, 10), "--val for " + path.string() +
                                " (0: none): 10 parts of 4 groups by record, expected at most one "
                                "for each group");
  EXPECT_EQ(message(9, 0), "--folds for " + path.string() +
                               ": 9 parts of 8 groups by record, expected at most one for each "
                               "group");
  EXPECT_EQ(message(2, 1), "--val for " + path.string() + " (0: none): 1, expected at least 2");
  EXPECT_EQ(message(2, 2), "");
}

TEST(Diff, NamesWhatDiffers) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  write_sample_store(folder / "b.store", 300);
  const Store a(folder / "a.store");
  EXPECT_TRUE(diff_stores(a, Store(folder / "b.store"), 1)["equal"].get<bool>());
  append_to_sample_store(folder / "b.store");
  Json d = diff_stores(a, Store(folder / "b.store"), 2);
  EXPECT_FALSE(d["equal"].get<bool>());
  EXPECT_EQ(d["only_in_b"], 2);
  EXPECT_EQ(d["only_in_a"], 0);
  EXPECT_EQ(d["pixels"], 0);
  EXPECT_EQ(d["labels"], 0);
  EXPECT_EQ(d["examples"]["views"][0], "age/some: other records");
  {
    StoreWriter writer(folder / "c.store", {{"age", {"old", "young"}}}, false);
    std::vector<std::uint8_t> planes = sample_planes(0);
    planes[7] ^= 1;
    writer.add({.height = 5, .width = 7, .source = "user/zero.png", .labels = {1}}, planes);
    writer.commit(Json::object());
  }
  d = diff_stores(a, Store(folder / "c.store"), 1);
  EXPECT_EQ(d["only_in_a"], 4);
  EXPECT_EQ(d["pixels"], 1);
  // "young" is another number there, but the same name.
  EXPECT_EQ(d["examples"]["labels"][0], "user/zero.png: subject: user, missing");
  const CommandResult r = run_command(
      folder.path(), {"data", "diff", folder / "a.store", folder / "c.store", "--json"});
  EXPECT_EQ(r.code, 1);
  EXPECT_EQ(Json::parse(r.out)["pixels"], 1);
}

TEST(DifferenceHash, StaysForTheSamePictureAndNotForAnother) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Image image = picture(i);
    const std::uint64_t hash = difference_hash(image);
    Image brighter = image;
    for (std::uint8_t& pixel : brighter.pixels) pixel = static_cast<std::uint8_t>(pixel + 4);
    EXPECT_EQ(std::popcount(hash ^ difference_hash(brighter)), 0) << i;
    const Image larger = resize_bilinear(image, 96, 80);
    EXPECT_LE(std::popcount(hash ^ difference_hash(larger)), 8) << i;
    EXPECT_GT(std::popcount(hash ^ difference_hash(picture(i + 100))), 8) << i;
  }
}

TEST(Audit, FindsSharedPeopleDuplicatesAndConflicts) {
  const TemporaryFolder folder;
  {
    StoreWriter writer(folder / "a.store", {{"age", {"x", "y"}}, {"subject", {"p", "q", "r"}}},
                       false);
    add_picture(writer, picture(0), "0", {0, 0});
    add_picture(writer, picture(1), "1", {0, 0});
    add_picture(writer, picture(2), "2", {1, 1});
    add_picture(writer, picture(0), "0 again", {1, 2});  // exact, another label
    Image changed = picture(1);
    for (std::uint8_t& pixel : changed.pixels) pixel = static_cast<std::uint8_t>(pixel + 2);
    add_picture(writer, changed, "1 brighter", {0, 2});
    add_picture(writer, picture(3), "3", {0, 0});
    const auto view = [&](const char* split, std::vector<std::uint32_t> records) {
      writer.add_view(str("age/x/fold0/", split), "age", records, Json::object());
    };
    view("train", {0, 1, 2});
    view("val", {5});
    view("test", {3, 4});
    writer.commit(Json::object());
  }
  const Json audit = audit_store(Store(folder / "a.store"), {.threads = 2});
  EXPECT_EQ(audit["exact_duplicates"], 1);
  EXPECT_EQ(audit["near_duplicates"], 1);
  EXPECT_EQ(audit["label_conflicts"], 1);
  EXPECT_EQ(audit["examples"]["label_conflicts"][0], (Json{"0", "0 again", "x", "y"}));
  EXPECT_EQ(audit["examples"]["near_duplicates"][0], (Json{"1", "1 brighter"}));
  const Json& fold = audit["views"][0];
  EXPECT_EQ(fold["shared_subjects"]["train_val"], 1);
  EXPECT_EQ(fold["shared_subjects"]["train_test"], 0);
  EXPECT_EQ(fold["shared_duplicates"]["train_test"], 2);
  EXPECT_EQ(fold["shared_duplicates"]["train_val"], 0);
  EXPECT_EQ(fold["class_skew"], 2.0);
  EXPECT_EQ(fold["absent_classes"], Json::array());
  EXPECT_NE(audit["protocol"][0].get<std::string>().find("Validation is not of new people: of 1"),
            std::string::npos);
}

TEST(Audit, AClassThatTrainingLacksIsNamed) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.store";
  StoreWriter writer(path, {{"age", {"x", "(60, 100)"}}}, false);
  add_picture(writer, picture(0), "0", {0});
  add_picture(writer, picture(1), "1", {1});
  writer.add_view("age/x/fold0/train", "age", std::vector<std::uint32_t>{0}, Json::object());
  writer.add_view("all/x/fold0/train", "", std::vector<std::uint32_t>{0, 1}, Json::object());
  writer.commit(Json::object());
  const Json fold = audit_store(Store(path), {.threads = 1})["views"][0];
  EXPECT_TRUE(fold.at("class_skew").is_null());
  EXPECT_EQ(fold["absent_classes"], (Json{"(60, 100)"}));
  const CommandResult r = run_command(folder.path(), {"data", "audit", path});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find(" no (60, 100)\n"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find(" -\n"), std::string::npos) << r.out;
}

TEST(Stats, LongNamesStandApartFromTheirCounts) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.store";
  StoreWriter writer(path, {{"subject", {"synth0001@N001", "b"}}}, false);
  add_picture(writer, picture(0), "0", {0});
  writer.commit(Json::object());
  const CommandResult r = run_command(folder.path(), {"data", "stats", path});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("  synth0001@N001       1\n"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("  b                    0\n"), std::string::npos) << r.out;
}

TEST(Stats, CountsByFoldAndSubject) {
  const TemporaryFolder folder;
  write_people(folder / "a.store");
  const Json stats = store_stats(Store(folder / "a.store"), nullptr, 1);
  EXPECT_EQ(stats["subjects"]["count"], 60);
  EXPECT_EQ(stats["subjects"]["most"], 9);
  EXPECT_EQ(stats["subjects"]["fewest"], 1);
  EXPECT_EQ(stats["subjects"]["examples"][0], (Json{"p8", 9}));
  EXPECT_NEAR(stats["channels"]["blue"]["mean"].get<double>(), 2.6, 1.5);
}

TEST(CompareCommands, WorkOnOneStore) {
  const TemporaryFolder folder;
  const std::string store = folder / "a.store";
  write_people(store);
  CommandResult r =
      run_command(folder.path(), {"data", "split", store, "--label", "age", "--json"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(Json::parse(r.out)["views"].size(), 15U);
  r = run_command(folder.path(), {"data", "audit", store});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("Test is of people that training has not seen."), std::string::npos)
      << r.out;
  r = run_command(folder.path(), {"data", "stats", store, "--view", "age/split/fold0/test"});
  ASSERT_EQ(r.code, 0) << r.err;
  r = run_command(folder.path(), {"data", "split", store, "--label", "aeg"});
  expect_mistake(r, {});
}

}  // namespace
}  // namespace fovea
