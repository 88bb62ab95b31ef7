#include "data/adience.h"

#include <algorithm>
#include <unordered_map>

#include "data/image.h"
#include "data/parallel.h"
#include "data/study_views.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

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
  const auto item = [&](std::int64_t i) -> PackItem {
    const PlannedImage& image = plan.images[static_cast<std::size_t>(i)];
    return {.file = folders[static_cast<std::size_t>(image.alignment)] / image.path,
            .source = image.path,
            .labels = {image.labels[0], image.labels[1], subject_number.at(image.subject),
                       static_cast<std::int32_t>(image.alignment), image.fold},
            .square = image.alignment == Alignment::kUnaligned};
  };
  pack_images(writer, static_cast<std::int64_t>(plan.images.size()), item,
              {.encode = options.encode,
               .size = options.size,
               .threads = options.threads,
               .progress = options.progress});
}

// All that the payloads depend on: which files, where, and what is made of them.
std::string resume_key(const AdienceOptions& options, const AdiencePlan& plan) {
  std::string key = str("adience ", fs::absolute(options.images).string(), ' ', options.size, ' ',
                        enum_name(options.encode));
  for (const PlannedImage& image : plan.images) key += '\n' + image.path;
  return key;
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
          {"validation", options.lists.empty() ? enum_name(options.validation) : "lists"},
          {"label_fix", options.label_fix},
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
  if (!options.folds.empty()) summary.files = read_fold_files(options.folds, options.label_fix);
  summary.plan =
      options.lists.empty()
          ? plan_from_folds(summary.files, options.alignment, options.seed, options.validation)
          : plan_from_lists(read_lists(options.lists), summary.files, options.alignment);
  summary.rows = static_cast<std::int64_t>(summary.files.rows.size());
  summary.repeated_rows = summary.plan.repeated_rows;
  summary.rows_without_label = summary.plan.rows_without_label;
  return summary;
}

AdienceSummary pack_adience(const AdienceOptions& options) {
  require(options.size >= 1 && options.size <= kMaxImageExtent, "image size ", options.size,
          ", expected 1 to ", kMaxImageExtent);
  expects(options.encode != PackEncoding::kKeep, "raw or JPEG");
  std::error_code ignored;
  require(fs::is_directory(options.images, ignored), "no image folder ", options.images.string(),
          ", expected a folder with aligned/ and / or faces/, or the user folders");
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
  StoreWriter writer(options.out, label_columns(plan, subjects),
                     {.overwrite = options.overwrite,
                      .shard_bytes = options.shard_bytes,
                      .resume_key = resume_key(options, plan)});
  summary.resumed = static_cast<std::int64_t>(writer.resumable());
  try {
    add_images(writer, plan, options, folders, subject_number);
  } catch (...) {
    writer.discard();  // only a run that was killed leaves something behind
    throw;
  }
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
