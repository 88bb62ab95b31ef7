// Packing a small folder of images in the Adience layout, through the library and through the
// command.
#include "data/adience.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <set>

#include "data/image.h"
#include "data/mean.h"
#include "data/resize.h"
#include "data/store.h"
#include "data/verify.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

struct CommandResult {
  int code = 0;
  std::string out, err;
};

// Six faces in two folds, aligned 20 x 20 JPEG and unaligned 30 x 16 PNG; the fourth row is
// repeated.
class AdienceFolder : public testing::Test {
 protected:
  AdienceFolder() {
    std::string rows[2];
    for (int i = 0; i < 6; ++i) {
      const std::string user = str("u", i / 2), name = str("n", i, ".jpg");
      const std::string row = str(user, "\t", name, "\t", i, "\t", i == 5 ? "None" : "(8, 12)",
                                  "\t", i % 2 == 0 ? "m" : "f", "\n");
      rows[i / 4] += i == 3 ? row + row : row;
      fs::create_directories(folder_ / "aligned" / user);
      fs::create_directories(folder_ / "faces" / user);
      write_input(aligned(i), encode_jpeg(face(20, 20, i), 90));
      write_input(folder_ / "faces" / user / str("coarse_tilt_aligned_face.", i, ".", name),
                  encode_png(face(30, 16, i)));
    }
    for (int fold = 0; fold < 2; ++fold) {
      write_input(folder_ / str("fold_", fold, "_data.txt"),
                  "user_id\toriginal_image\tface_id\tage\tgender\n" + rows[fold]);
    }
    options_.images = options_.folds = folder_.path();
    options_.out = folder_ / "out.store";
    options_.size = 24;
  }

  static Image face(int height, int width, int number) {
    Image image{height, width, 3, {}};
    for (int i = 0; i < height * width * 3; ++i) {
      image.pixels.push_back(static_cast<std::uint8_t>(40 * number + i / width / 3));
    }
    return image;
  }
  fs::path aligned(int i) const {
    return folder_ / "aligned" / str("u", i / 2) /
           str("landmark_aligned_face.", i, ".n", i, ".jpg");
  }

  // Runs `fovea data <arguments>`.
  CommandResult run(const std::string& arguments) const {
    const fs::path err = folder_ / "stderr";
    FILE* pipe = ::popen(str(FOVEA_COMMAND, " data ", arguments, " 2>", err.string()).c_str(), "r");
    CommandResult result;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
      result.out += static_cast<char>(c);
    }
    const int status = ::pclose(pipe);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result.err = read_file(err);
    return result;
  }
  [[nodiscard]] std::string folders() const {
    return str("--images ", folder_.path().string(), " --folds ", folder_.path().string(), " ");
  }
  [[nodiscard]] std::string store() const { return options_.out.string(); }

  TemporaryFolder folder_;
  AdienceOptions options_;
};

TEST_F(AdienceFolder, PacksEachImageOnceResizedAndLabelled) {
  const AdienceSummary summary = pack_adience(options_);
  EXPECT_EQ(summary.repeated_rows, 1);
  const Store store(options_.out);
  ASSERT_EQ(store.size(), 6U);
  for (int i = 0; i < 6; ++i) {
    const Image expected = resize_bilinear(read_image(aligned(i)), 24, 24);
    EXPECT_EQ(store.image(static_cast<std::uint32_t>(i)).pixels, expected.pixels) << i;
  }
  EXPECT_EQ(store.record(3).source, "u1/landmark_aligned_face.3.n3.jpg");
  EXPECT_EQ(store.view("age/aligned/fold0/test").records,
            (std::vector<std::uint32_t>{0, 1, 2, 3, 3}));
  EXPECT_EQ(store.view("age/aligned/fold1/test").records, (std::vector<std::uint32_t>{4}));
  EXPECT_EQ(store.column("age").values, (std::vector<std::int32_t>{2, 2, 2, 2, 2, kMissing}));
  EXPECT_EQ(store.column("gender").values, (std::vector<std::int32_t>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(store.column("fold").values, (std::vector<std::int32_t>{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(store.column("subject").classes[2], "u2");
  EXPECT_NO_THROW(verify_store(store, 2));
}

TEST_F(AdienceFolder, UnalignedImagesAreSquaredFirst) {
  options_.alignment = Alignment::kMixed;
  pack_adience(options_);
  const Store store(options_.out);
  ASSERT_EQ(store.size(), 12U);
  const Image expected = resize_bilinear(square_by_edges(face(30, 16, 0)), 24, 24);
  EXPECT_EQ(store.image(1).pixels, expected.pixels);
  EXPECT_EQ(store.column("alignment").values[1], 1);
  EXPECT_EQ(store.view("gender/mixed/fold1/test").records,
            (std::vector<std::uint32_t>{8, 9, 10, 11}));
  EXPECT_EQ(store.view("gender/unaligned/fold1/test").records, (std::vector<std::uint32_t>{9, 11}));
}

TEST_F(AdienceFolder, ThreadsDoNotChangeTheBytes) {
  options_.threads = 1;
  pack_adience(options_);
  const std::string one = read_file(options_.out);
  options_.threads = 4, options_.overwrite = true;
  pack_adience(options_);
  EXPECT_EQ(read_file(options_.out), one);
}

TEST_F(AdienceFolder, JpegFilesOfTheRightSizeAreKeptAsTheyAre) {
  options_.encode = PackEncoding::kJpeg, options_.size = 20;
  pack_adience(options_);
  const Store same(options_.out);
  const auto payload = same.payload(2);
  EXPECT_EQ(std::string(payload.begin(), payload.end()), read_file(aligned(2)));
  options_.size = 24, options_.overwrite = true;
  pack_adience(options_);
  const Store resized(options_.out);
  const Image expected = resize_bilinear(read_image(aligned(2)), 24, 24);
  const Image actual = resized.image(2);
  for (std::size_t i = 0; i < expected.pixels.size(); ++i) {
    ASSERT_NEAR(actual.pixels[i], expected.pixels[i], 6) << i;
  }
}

TEST_F(AdienceFolder, AMissingImageIsAnErrorUnlessSkipped) {
  fs::remove(aligned(1)), fs::remove(aligned(3));
  EXPECT_EQ(message_of([&] { pack_adience(options_); }),
            "missing image in " + folder_.path().string() + ": " + aligned(1).string() +
                " (2 of 6 are missing), expected every image that is listed (or --skip-missing)");
  EXPECT_FALSE(fs::exists(options_.out));
  options_.skip_missing = true;
  EXPECT_EQ(pack_adience(options_).missing_images, 2);
  const Store store(options_.out);
  EXPECT_EQ(store.size(), 4U);
  EXPECT_EQ(store.view("age/aligned/fold0/test").records, (std::vector<std::uint32_t>{0, 1}));
}

TEST_F(AdienceFolder, AnImageFolderThatIsNotThereIsNamed) {
  options_.images = folder_ / "nowhere";
  options_.skip_missing = true;
  EXPECT_EQ(message_of([&] { pack_adience(options_); }),
            "no image folder " + options_.images.string() +
                ", expected a folder with aligned/ and / or faces/, or the user folders");
}

TEST_F(AdienceFolder, TheFolderOfTheStoreIsMadeAndGoesWhenPackingFails) {
  options_.out = folder_ / "new/deep/out.store";
  pack_adience(options_);
  EXPECT_TRUE(fs::exists(options_.out));
  fs::resize_file(aligned(4), 200);
  for (const std::uint64_t shard_bytes : {0, 1 << 20}) {
    options_.out = folder_ / "other/deep/out.store", options_.shard_bytes = shard_bytes;
    EXPECT_THROW(pack_adience(options_), Error);
    EXPECT_FALSE(fs::exists(folder_ / "other")) << shard_bytes;
  }
  options_.out = aligned(0) / "out.store", options_.shard_bytes = 0;
  EXPECT_EQ(message_of([&] { pack_adience(options_); }),
            "cannot create " + options_.out.string() + ": Not a directory");
}

TEST_F(AdienceFolder, ADamagedImageIsAnErrorAndLeavesNothing) {
  fs::resize_file(aligned(4), 200);
  EXPECT_EQ(message_of([&] { pack_adience(options_); }),
            "cannot decode image in " + aligned(4).string() +
                ": truncated, expected an end-of-image marker");
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().string().find("out.store"), std::string::npos);
  }
}

TEST_F(AdienceFolder, ASubjectExclusiveValidationSharesNobodyWithTraining) {
  options_.validation = Validation::kSubjects;
  for (options_.seed = 0; options_.seed < 5; ++options_.seed) {
    const AdiencePlan plan = plan_adience(options_).plan;
    for (const PlannedView& view : plan.views) {
      if (view.split != "val") continue;
      std::set<std::string> people;
      for (const std::uint32_t image : view.images) people.insert(plan.images[image].subject);
      for (const PlannedView& other : plan.views) {
        const bool same = other.target == view.target && other.fold == view.fold;
        if (!same || other.split != "train") continue;
        for (const std::uint32_t image : other.images) {
          EXPECT_FALSE(people.contains(plan.images[image].subject));
        }
      }
    }
  }
}

TEST_F(AdienceFolder, ShardsHoldTheSameRecords) {
  pack_adience(options_);
  const Store one(options_.out);
  options_.out = folder_ / "sharded.store", options_.shard_bytes = 5000;
  pack_adience(options_);
  const Store sharded(options_.out);
  EXPECT_EQ(sharded.index().shards.size(), 3U);  // two of 24 * 24 * 3 bytes each
  ASSERT_EQ(sharded.size(), one.size());
  for (std::uint32_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(sharded.image(i).pixels, one.image(i).pixels) << i;
  }
}

TEST_F(AdienceFolder, TheCommandsWorkTogether) {
  ASSERT_EQ(run("adience " + folders() + "--size 24 --quiet --out " + store()).code, 0);
  const CommandResult inspect = run("inspect " + store() + " --json");
  ASSERT_EQ(inspect.code, 0) << inspect.err;
  const Json json = Json::parse(inspect.out);
  EXPECT_EQ(json["records"], 6);
  EXPECT_EQ(json["classes"]["age"][7], "(60, 100)");
  EXPECT_EQ(json["classes"]["gender"], (Json{"m", "f"}));
  const Json& view = json["views"][3];
  EXPECT_EQ(view["name"], "age/aligned/fold0/test");
  EXPECT_EQ(view["target"], "age");
  EXPECT_EQ(view["alignment"], "aligned");
  EXPECT_EQ(view["fold"], 0);
  EXPECT_EQ(view["split"], "test");
  EXPECT_EQ(view["count"], 5);

  EXPECT_EQ(run("verify " + store()).code, 0);
  const CommandResult stats = run("stats " + store() + " --view age/aligned/fold0/test --json");
  EXPECT_EQ(Json::parse(stats.out)["labels"]["age"]["(8, 12)"], 5);
  EXPECT_EQ(Json::parse(stats.out)["distinct"], 4);

  const fs::path out = folder_ / "extracted";
  ASSERT_EQ(run("extract " + store() + " --record 2 --out " + out.string()).code, 0);
  EXPECT_EQ(read_image(out / "000002_landmark_aligned_face.2.n2.png").pixels,
            resize_bilinear(read_image(aligned(2)), 24, 24).pixels);

  const std::string mean = folder_ / "new/mean.npy";
  ASSERT_EQ(run("mean " + store() + " --view age/aligned/fold1/test --out " + mean).code, 0);
  const Tensor<float> values = read_npy(mean);
  EXPECT_EQ(values.shape, (Shape{3, 24, 24}));
  std::vector<std::uint8_t> scratch;
  const Store opened(options_.out);
  const auto planes = opened.planes(4, scratch);  // the view's only record
  EXPECT_EQ(values.values, std::vector<float>(planes.begin(), planes.end()));
}

TEST_F(AdienceFolder, MistakesAreOneLineAndTheRightExitCode) {
  const std::string pack = "adience " + folders() + "--out " + store();
  ASSERT_EQ(run(pack).code, 0);
  CommandResult result = run(pack);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "fovea: error: output exists: " + store() + ", expected a new name (or --force)\n");
  EXPECT_EQ(run(pack + " --force").code, 0);
  result = run("stats " + store() + " --view age/aligned/fold0/tset");
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "fovea: error: unknown view in " + store() +
                            ": 'age/aligned/fold0/tset', did you mean 'age/aligned/fold0/test'?\n");
  EXPECT_EQ(run("adience --out x.store").code, 2);
  EXPECT_EQ(run("adience " + folders() + "--alignment crooked --out x.store").code, 2);
  EXPECT_EQ(run("extract " + store() + " --out x").code, 2);
  result = run("extract " + store() + " --record -1 --out x");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("--record: '-1', expected a number that is not negative ("),
            std::string::npos)
      << result.err;
  EXPECT_EQ(run("extract " + store() + " --record 99 --out " + (folder_ / "x").string()).code, 1);
}

TEST_F(AdienceFolder, ADryRunNeedsNoImages) {
  fs::remove_all(folder_ / "aligned");
  const CommandResult result =
      run("adience --folds " + folder_.path().string() + " --dry-run --json");
  ASSERT_EQ(result.code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["records"], 6);
  EXPECT_EQ(json["views"][3]["count"], 5);
  EXPECT_EQ(json["unlabelled"]["age"]["None"], 1);
}

}  // namespace
}  // namespace fovea
