#include "data/adience_plan.h"

#include <algorithm>
#include <unordered_map>

#include "engine/core/error.h"
#include "engine/core/fields.h"

namespace fovea {
namespace {

constexpr std::array<std::string_view, 2> kFilePrefix{"landmark_aligned_face.",
                                                      "coarse_tilt_aligned_face."};

std::vector<Alignment> parts_of(Alignment alignment) {
  if (alignment == Alignment::kMixed) return {Alignment::kAligned, Alignment::kUnaligned};
  return {alignment};
}

std::string image_path(const FaceRow& row, Alignment alignment) {
  return str(row.user, "/", kFilePrefix[static_cast<std::size_t>(alignment)], row.face_id, ".",
             row.original_image);
}

// The images of a plan by path.
class ImageTable {
 public:
  explicit ImageTable(std::vector<PlannedImage>& images) : images_(images) {}

  // The image of that path, made from `image` at the first call; `where` is named when the labels
  // contradict.
  std::uint32_t add(const PlannedImage& image, const std::string& where) {
    const auto [entry, is_new] =
        number_.emplace(image.path, static_cast<std::uint32_t>(images_.size()));
    if (is_new) images_.push_back(image);
    PlannedImage& known = images_[entry->second];
    for (const Target target : kTargets) {
      const auto t = static_cast<std::size_t>(target);
      if (known.labels[t] == kMissing) known.labels[t] = image.labels[t];
      require(image.labels[t] == kMissing || image.labels[t] == known.labels[t],
              "contradicting label in ", where, ": ", image.path, " has ", enum_name(target), " ",
              image.labels[t], ", expected ", known.labels[t], " as elsewhere");
    }
    return entry->second;
  }

  [[nodiscard]] const PlannedImage* find(const std::string& path) const {
    const auto entry = number_.find(path);
    return entry == number_.end() ? nullptr : &images_[entry->second];
  }

 private:
  std::vector<PlannedImage>& images_;
  std::unordered_map<std::string, std::uint32_t> number_;
};

PlannedImage planned_image(const FaceRow& row, Alignment alignment) {
  return {.path = image_path(row, alignment),
          .alignment = alignment,
          .subject = row.user,
          .fold = row.fold,
          .labels = row.labels};
}

// A number for every row; rows of one face share it.
std::vector<std::uint32_t> number_faces(const std::vector<FaceRow>& rows) {
  std::unordered_map<std::string, std::uint32_t> known;
  std::vector<std::uint32_t> numbers;
  for (const FaceRow& row : rows) {
    const auto number = static_cast<std::uint32_t>(known.size());
    numbers.push_back(known.emplace(image_path(row, Alignment::kAligned), number).first->second);
  }
  return numbers;
}

bool has_label(const FaceRow& row) {
  return std::any_of(row.labels.begin(), row.labels.end(), [](auto l) { return l != kMissing; });
}

// Alignment that the file name of "<user>/<file>" shows, or kMixed if it shows none.
Alignment shown_alignment(std::string_view path) {
  const std::string_view file = path.substr(path.find('/') + 1);
  for (const Alignment alignment : {Alignment::kAligned, Alignment::kUnaligned}) {
    if (file.starts_with(kFilePrefix[static_cast<std::size_t>(alignment)])) return alignment;
  }
  return Alignment::kMixed;
}

}  // namespace

AdiencePlan plan_from_folds(const FoldFiles& files, Alignment alignment, std::uint64_t seed,
                            Validation validation) {
  AdiencePlan plan{.folds = static_cast<int>(files.files.size())};
  const std::vector<std::uint32_t> faces = number_faces(files.rows);
  if (!faces.empty()) {
    const auto distinct = std::int64_t{*std::max_element(faces.begin(), faces.end())} + 1;
    plan.repeated_rows = static_cast<std::int64_t>(files.rows.size()) - distinct;
  }
  ImageTable table(plan.images);
  const auto parts = parts_of(alignment);
  std::vector<std::array<std::uint32_t, 2>> image_of_row(files.rows.size());  // by Alignment
  for (std::size_t i = 0; i < files.rows.size(); ++i) {
    const FaceRow& row = files.rows[i];
    if (!has_label(row)) {
      ++plan.rows_without_label;
      continue;
    }
    const std::string where = files.files[static_cast<std::size_t>(row.fold)].name;
    for (const Alignment part : parts) {
      image_of_row[i][static_cast<std::size_t>(part)] = table.add(planned_image(row, part), where);
    }
  }
  std::vector<Alignment> wanted = parts;
  if (alignment == Alignment::kMixed) wanted.push_back(alignment);
  for (const Target target : kTargets) {
    for (int fold = 0; fold < plan.folds; ++fold) {
      const SplitRows splits = draw_splits(files.rows, faces, target, fold, seed, validation);
      for (const Alignment view_alignment : wanted) {
        for (std::size_t s = 0; s < kSplits.size(); ++s) {
          PlannedView view{target, view_alignment, fold, std::string(kSplits[s]), {}};
          for (const std::uint32_t row : splits[s]) {
            for (const Alignment part : parts_of(view_alignment)) {
              view.images.push_back(image_of_row[row][static_cast<std::size_t>(part)]);
            }
          }
          plan.views.push_back(std::move(view));
        }
      }
    }
  }
  return plan;
}

AdiencePlan plan_from_lists(const std::vector<ImageList>& lists, const FoldFiles& files,
                            Alignment alignment) {
  AdiencePlan plan{.folds = static_cast<int>(files.files.size())};
  std::vector<PlannedImage> from_folds;
  ImageTable known(from_folds), table(plan.images);
  for (const FaceRow& row : files.rows) {
    for (const Alignment part : parts_of(alignment)) {
      known.add(planned_image(row, part), files.files[static_cast<std::size_t>(row.fold)].name);
    }
  }
  for (const ImageList& list : lists) {
    plan.folds = std::max(plan.folds, list.fold + 1);
    PlannedView view{list.target, alignment, list.fold, list.split, {}};
    for (std::size_t i = 0; i < list.images.size(); ++i) {
      const ListedImage& listed = list.images[i];
      const std::string where = str(list.file.string(), ":", i + 1);
      const Alignment shown = shown_alignment(listed.path);
      require(shown != Alignment::kMixed && (alignment == Alignment::kMixed || shown == alignment),
              "image in ", where, ": ", listed.path, ", expected <user>/<file> of --alignment ",
              enum_name(alignment));
      PlannedImage image{.path = listed.path,
                         .alignment = shown,
                         .subject = listed.path.substr(0, listed.path.find('/'))};
      if (const PlannedImage* row = known.find(listed.path)) {
        table.add(*row, where);
      } else if (list.split == "test") {
        image.fold = list.fold;
      }
      image.labels[static_cast<std::size_t>(list.target)] = listed.label;
      const std::uint32_t number = table.add(image, where);
      if (image.fold != kMissing) plan.images[number].fold = image.fold;
      view.images.push_back(number);
    }
    plan.views.push_back(std::move(view));
  }
  return plan;
}

void drop_images(AdiencePlan& plan, const std::vector<bool>& missing) {
  expects(missing.size() == plan.images.size(), "a flag for every image");
  std::vector<std::uint32_t> new_number(plan.images.size());
  std::vector<PlannedImage> kept;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    new_number[i] = static_cast<std::uint32_t>(kept.size());
    if (!missing[i]) kept.push_back(std::move(plan.images[i]));
  }
  plan.images = std::move(kept);
  for (PlannedView& view : plan.views) {
    std::erase_if(view.images, [&](std::uint32_t image) { return missing[image]; });
    for (std::uint32_t& image : view.images) image = new_number[image];
  }
}

}  // namespace fovea
