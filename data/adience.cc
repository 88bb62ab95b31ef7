#include "data/adience.h"

#include <algorithm>
#include <unordered_map>

#include "data/image.h"
#include "data/parallel.h"
#include "data/resize.h"
#include "data/study_views.h"
#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr int kJpegQuality = 95;
// Images decoded between two rounds of writing: enough to keep every core busy, few enough (50 MB
// at 256 x 256) that memory stays bounded.
constexpr std::int64_t kChunk = 256;

// The folder that holds the user folders of an alignment.
fs::path alignment_folder(const fs::path& images, Alignment alignment) {
  const fs::path below = images / (alignment == Alignment::kAligned ? "aligned" : "faces");
  std::error_code ignored;
  return fs::is_directory(below, ignored) ? below : images;
}

// Which images have no file.
std::vector<bool> find_missing(const std::vector<PlannedImage>& images,
                               const std::array<fs::path, 2>& folders, int threads) {
  std::vector<std::uint8_t> missing(images.size());  // not vector<bool>: threads write neighbours
  parallel_for(static_cast<std::int64_t>(images.size()), threads, [&](std::int64_t i) {
    const PlannedImage& image = images[static_cast<std::size_t>(i)];
    std::error_code ignored;
    const auto& folder = folders[static_cast<std::size_t>(image.alignment)];
    missing[static_cast<std::size_t>(i)] = !fs::is_regular_file(folder / image.path, ignored);
  });
  return {missing.begin(), missing.end()};
}

struct Payload {
  Encoding encoding = Encoding::kRaw;
  std::vector<std::uint8_t> bytes;
};

Payload make_payload(const fs::path& file, Alignment alignment, int size, Encoding encode) {
  const std::string content = read_file(file);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
  Image image = decode_image(bytes, file.string());
  const bool as_is = image.height == size && image.width == size;
  if (encode == Encoding::kJpeg && as_is && image_file_kind(bytes) == ImageFile::kJpeg) {
    return {encode, {bytes.begin(), bytes.end()}};
  }
  if (alignment == Alignment::kUnaligned) image = square_by_edges(image);
  image = resize_bilinear(image, size, size);
  Payload payload{encode, {}};
  if (encode == Encoding::kJpeg) {
    const std::string jpeg = encode_jpeg(image, kJpegQuality);
    payload.bytes.assign(jpeg.begin(), jpeg.end());
  } else {
    payload.bytes.resize(image.pixels.size());
    to_planes(image, payload.bytes);
  }
  return payload;
}

// Columns 0 and 1 are the targets; then subject, alignment, fold.
std::vector<ColumnSpec> label_columns(const AdiencePlan& plan,
                                      const std::vector<std::string>& subjects) {
  std::vector<ColumnSpec> columns;
  for (const Target target : kTargets) {
    const auto names = class_names(target);
    columns.push_back({std::string(enum_name(target)), {names.begin(), names.end()}});
  }
  columns.push_back({"subject", subjects});
  columns.push_back({"alignment", {"aligned", "unaligned"}});
  ColumnSpec folds{"fold", {}};
  for (int fold = 0; fold < plan.folds; ++fold) folds.classes.push_back(std::to_string(fold));
  columns.push_back(folds);
  return columns;
}

void add_images(StoreWriter& writer, const AdiencePlan& plan, const AdienceOptions& options,
                const std::array<fs::path, 2>& folders,
                const std::unordered_map<std::string, std::int32_t>& subject_number) {
  const auto total = static_cast<std::int64_t>(plan.images.size());
  for (std::int64_t begin = 0; begin < total; begin += kChunk) {
    std::vector<Payload> payloads(static_cast<std::size_t>(std::min(kChunk, total - begin)));
    const auto image_at = [&](std::size_t i) -> const PlannedImage& {
      return plan.images[static_cast<std::size_t>(begin) + i];
    };
    parallel_for(static_cast<std::int64_t>(payloads.size()), options.threads, [&](std::int64_t n) {
      const auto i = static_cast<std::size_t>(n);
      const PlannedImage& image = image_at(i);
      const auto& folder = folders[static_cast<std::size_t>(image.alignment)];
      payloads[i] =
          make_payload(folder / image.path, image.alignment, options.size, options.encode);
    });
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      const PlannedImage& image = image_at(i);
      writer.add({.encoding = payloads[i].encoding,
                  .height = options.size,
                  .width = options.size,
                  .source = image.path,
                  .labels = {image.labels[0], image.labels[1], subject_number.at(image.subject),
                             static_cast<std::int32_t>(image.alignment), image.fold}},
                 payloads[i].bytes);
    }
    if (options.progress) options.progress(std::min(begin + kChunk, total), total);
  }
}

Json metadata(const AdienceOptions& options, const AdienceSummary& summary) {
  Json sources = Json::array();
  for (const FoldFile& file : summary.files.files) {
    sources.push_back({{"file", file.name}, {"rows", file.rows}, {"crc32c", file.crc}});
  }
  return {{"kind", "adience"},
          {"size", options.size},
          {"channels", "blue, green, red planes"},
          {"alignment", enum_name(options.alignment)},
          {"encoding", enum_name(options.encode)},
          {"split", options.lists.empty() ? "drawn" : "lists"},
          {"seed", options.seed},
          {"missing_images", summary.missing_images},
          {"command", options.command},
          {"sources", sources}};
}

}  // namespace

AdienceSummary plan_adience(const AdienceOptions& options) {
  require(!options.folds.empty() || !options.lists.empty(),
          "no fold files: expected --folds or --lists");
  AdienceSummary summary;
  if (!options.folds.empty()) summary.files = read_fold_files(options.folds);
  summary.plan = options.lists.empty()
                     ? plan_from_folds(summary.files, options.alignment, options.seed)
                     : plan_from_lists(read_lists(options.lists), summary.files, options.alignment);
  summary.rows = static_cast<std::int64_t>(summary.files.rows.size());
  summary.repeated_rows = summary.plan.repeated_rows;
  summary.rows_without_label = summary.plan.rows_without_label;
  return summary;
}

AdienceSummary pack_adience(const AdienceOptions& options) {
  require(options.size >= 1 && options.size <= kMaxImageExtent, "image size ", options.size,
          ", expected 1 to ", kMaxImageExtent);
  expects(options.encode != Encoding::kPng, "raw or JPEG");
  AdienceSummary summary = plan_adience(options);
  AdiencePlan& plan = summary.plan;
  const std::array folders{alignment_folder(options.images, Alignment::kAligned),
                           alignment_folder(options.images, Alignment::kUnaligned)};
  const std::vector<bool> missing = find_missing(plan.images, folders, options.threads);
  summary.missing_images = std::count(missing.begin(), missing.end(), true);
  if (summary.missing_images > 0) {
    const auto first = std::find(missing.begin(), missing.end(), true) - missing.begin();
    const PlannedImage& image = plan.images[static_cast<std::size_t>(first)];
    require(options.skip_missing, "missing image in ", options.images.string(), ": ",
            (folders[static_cast<std::size_t>(image.alignment)] / image.path).string(), " (",
            summary.missing_images, " of ", missing.size(),
            " are missing), expected every image that is listed (or --skip-missing)");
    drop_images(plan, missing);
    require(!plan.images.empty(), "missing images in ", options.images.string(), ": all ",
            missing.size(), ", expected some of them");
  }

  std::vector<std::string> subjects;
  std::unordered_map<std::string, std::int32_t> subject_number;
  for (const PlannedImage& image : plan.images) {
    const auto number = static_cast<std::int32_t>(subjects.size());
    if (subject_number.emplace(image.subject, number).second) subjects.push_back(image.subject);
  }
  StoreWriter writer(options.out, label_columns(plan, subjects), options.overwrite);
  add_images(writer, plan, options, folders, subject_number);
  for (const PlannedView& view : plan.views) {
    const std::string_view alignment = enum_name(view.alignment);
    writer.add_view(view_name(view.target, alignment, view.fold, view.split),
                    enum_name(view.target), view.images,
                    {{"alignment", alignment},
                     {"fold", view.fold},
                     {"split", view.split},
                     {"source", options.lists.empty() ? "fold files" : "lists"}});
  }
  writer.commit(metadata(options, summary));
  return summary;
}

}  // namespace fovea
