#include "data/synth.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numbers>

#include "data/folds.h"
#include "data/parallel.h"
#include "data/synth_face.h"
#include "engine/core/error.h"
#include "engine/core/random.h"

namespace fovea::synth {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxPicturesPerSubject = 4;
constexpr std::int64_t kCombinations = 2 * kAgeCount;
constexpr std::uint64_t kFoldStream = std::uint64_t{1} << 35;
constexpr int kJpegQuality = 92;
static_assert(kAgeClasses.size() == kAgeCount);
constexpr const char* kHeader =
    "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\tfiducial_yaw_angle\t"
    "fiducial_score\n";

constexpr const char* kReadme =
    R"(Synthetic faces in the Adience layout, drawn by `fovea data synth`.

aligned/<user>/landmark_aligned_face.<face_id>.<name>.jpg   the faces
fold_<K>_data.txt                                           labels, Adience's columns; subjects stay within a fold
masks/<user>/landmark_aligned_face.<face_id>.<name>.png     which pixels carry the labels, 8-bit grey:
    0    neither: the pixel looks the same whatever age and gender the person has
   85    age: it looks different in another age class
  170    gender: it looks different with the other gender
  255    both
The lowest bit of a mask value is therefore age, the next one gender.
)";

std::string padded(std::int64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  return std::string(width > digits.size() ? width - digits.size() : 0, '0') + digits;
}

std::string picture_name(std::int64_t face) { return "face" + padded(face + 1, 6); }

// Unlike AtomicFile this does not wait for the disk: the folder is renamed when all is written.
void write_new_file(const fs::path& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  require(!out.fail(), "cannot write ", path.string(), ": ", std::strerror(errno));
}

bool is_fold_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("fold_") && name.ends_with("_data.txt");
}

// A folder under a temporary name beside `target`; removed unless it is published.
class DraftFolder {
 public:
  explicit DraftFolder(fs::path target) : target_(std::move(target)) {
    if (!target_.has_filename()) target_ = target_.parent_path();
    path_ = target_;
    path_ += str(".tmp", ::getpid());
    std::error_code error;
    fs::create_directories(path_, error);
    require(!error, "cannot create folder ", path_.string(), ": ", error.message());
  }
  ~DraftFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  DraftFolder(const DraftFolder&) = delete;
  DraftFolder& operator=(const DraftFolder&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }

  // Becomes the target. Where there is one with something in it, entries of the same name and all
  // fold files there (an earlier set may have had more of them) are replaced one by one.
  void publish() {
    std::error_code error;
    if (!fs::exists(target_) || fs::is_empty(target_)) {
      fs::rename(path_, target_, error);
    } else {
      for (const auto& entry : fs::directory_iterator(target_)) {
        if (!error && is_fold_file(entry.path())) fs::remove(entry.path(), error);
      }
      for (const auto& entry : fs::directory_iterator(path_)) {
        const fs::path to = target_ / entry.path().filename();
        if (!error) fs::remove_all(to, error);
        if (!error) fs::rename(entry.path(), to, error);
      }
    }
    require(!error, "cannot write folder ", target_.string(), ": ", error.message());
  }

 private:
  fs::path target_, path_;
};

void check_target(const fs::path& folder, bool force) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return;
  require(fs::is_directory(folder, ignored), "cannot write into ", folder.string(),
          ": it is a file, expected a folder");
  require(force || fs::is_empty(folder, ignored), "output exists: ", folder.string(),
          ", expected a new or empty folder (or --force)");
}

int rounded_to(float value, int step) {
  return step * static_cast<int>(std::lround(value / static_cast<float>(step)));
}

std::string fold_line(const PlannedFace& planned, const Face& face, int size) {
  const FaceBox box = face_box(face, size);
  const int left = static_cast<int>(box.left), top = static_cast<int>(box.top);
  const float degrees = 180 / std::numbers::pi_v<float>;
  return str(user_id(planned.subject), '\t', picture_name(planned.index), ".jpg\t",
             planned.subject + 1, '\t', kAgeClasses[static_cast<std::size_t>(planned.labels.age)],
             '\t', kGenderClasses[static_cast<std::size_t>(planned.labels.gender)], '\t', left,
             '\t', top, '\t', static_cast<int>(box.right) - left, '\t',
             static_cast<int>(box.bottom) - top, '\t', rounded_to(face.tilt * degrees, 5), '\t',
             rounded_to(std::asin(face.yaw / face.cheek) * degrees, 15), "\t100\n");
}

// Draws one picture and its mask; gives its line of the fold file.
std::string write_face(const fs::path& folder, const PlannedFace& planned, const Options& options) {
  const Person person = draw_person(options.seed, static_cast<std::uint64_t>(planned.subject));
  const Shot shot = draw_shot(options.seed, static_cast<std::uint64_t>(planned.index));
  const Face face = describe(planned.labels, person, shot);
  const Canvas canvas = draw_face(face, shot, options.size);
  const Image photo =
      photograph(canvas, shot, options.seed, static_cast<std::uint64_t>(planned.index));
  Image mask{options.size, options.size, 1, label_mask(planned.labels, person, shot, canvas)};
  for (std::uint8_t& pixel : mask.pixels) pixel = static_cast<std::uint8_t>(kMaskStep * pixel);
  const std::string path = face_path(planned);
  write_new_file(folder / "aligned" / (path + ".jpg"), encode_jpeg(photo, kJpegQuality));
  write_new_file(folder / "masks" / (path + ".png"), encode_png(mask));
  return fold_line(planned, face, options.size);
}

}  // namespace

std::string user_id(std::int64_t subject) { return "synth" + padded(subject + 1, 4) + "@N00"; }

std::string face_path(const PlannedFace& face) {
  return str(user_id(face.subject), "/landmark_aligned_face.", face.subject + 1, '.',
             picture_name(face.index));
}

std::vector<PlannedFace> plan_faces(const Options& options) {
  require(options.folds >= 1 && options.folds <= kMaxFolds,
          "wrong number of folds: ", options.folds, ", expected 1 to ", kMaxFolds);
  require(options.size >= kMinSize && options.size <= kMaxSize,
          "wrong size of a face: ", options.size, " pixels, expected ", kMinSize, " to ", kMaxSize);
  require(options.count >= options.folds && options.count <= 1'000'000,
          "wrong number of faces: ", options.count, ", expected ", options.folds,
          " (one per fold) to 1000000");
  std::vector<PlannedFace> faces;
  std::int64_t subject = 0;
  for (int fold = 0; fold < options.folds; ++fold) {
    const std::int64_t end = options.count * (fold + 1) / options.folds;
    const std::int64_t in_fold = end - static_cast<std::int64_t>(faces.size());
    // At least two subjects of each combination before anybody has a second picture.
    const std::int64_t pictures =
        std::clamp<std::int64_t>(in_fold / (2 * kCombinations), 1, kMaxPicturesPerSubject);
    const std::int64_t first = random_below(
        {options.seed, RandomPurpose::kSynthFace, kFoldStream + static_cast<std::uint64_t>(fold)},
        0, kCombinations);
    for (std::int64_t i = 0; i < in_fold; ++i) {
      if (i > 0 && i % pictures == 0) ++subject;
      const auto combination = (first + i / pictures) % kCombinations;
      faces.push_back({static_cast<std::int64_t>(faces.size()),
                       subject,
                       fold,
                       {static_cast<int>(combination % kAgeCount),
                        combination < kAgeCount ? Gender::kMale : Gender::kFemale}});
    }
    ++subject;
  }
  return faces;
}

void write_faces(const fs::path& folder, const Options& options,
                 const std::function<void(std::int64_t)>& drawn) {
  const std::vector<PlannedFace> faces = plan_faces(options);
  check_target(folder, options.force);
  DraftFolder draft(folder);
  for (const char* kind : {"aligned", "masks"}) {
    for (std::int64_t subject = 0; subject <= faces.back().subject; ++subject) {
      std::error_code error;
      fs::create_directories(draft.path() / kind / user_id(subject), error);
      require(!error, "cannot create a folder in ", draft.path().string(), ": ", error.message());
    }
  }
  std::vector<std::string> lines(faces.size());
  std::atomic<std::int64_t> done{0};
  parallel_for(static_cast<std::int64_t>(faces.size()), options.threads, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    lines[at] = write_face(draft.path(), faces[at], options);
    const std::int64_t number = ++done;
    if (drawn) drawn(number);
  });
  std::vector<std::string> texts(static_cast<std::size_t>(options.folds), kHeader);
  for (std::size_t i = 0; i < faces.size(); ++i) {
    texts[static_cast<std::size_t>(faces[i].fold)] += lines[i];
  }
  for (std::size_t fold = 0; fold < texts.size(); ++fold) {
    write_new_file(draft.path() / str("fold_", fold, "_data.txt"), texts[fold]);
  }
  write_new_file(draft.path() / "README.txt", kReadme);
  draft.publish();
}

}  // namespace fovea::synth
