// `fovea data adience`: images in the Adience layout to a store with the study's views.
#include <iomanip>
#include <iostream>
#include <memory>

#include "apps/common.h"
#include "apps/data.h"
#include "apps/progress.h"
#include "data/adience.h"
#include "data/image.h"
#include "data/study_views.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

struct AdienceArguments {
  AdienceOptions options;
  std::string alignment = "aligned", encode = "raw", validation = "study";
  std::uint64_t shard_mib = 0;
  bool dry_run = false;
};

std::string name_of(const PlannedView& view) {
  return view_name(view.target, enum_name(view.alignment), view.fold, view.split);
}

Json summary_json(const AdienceSummary& summary) {
  Json unlabelled = Json::object(), views = Json::array();
  for (const Target target : kTargets) {
    auto& texts = unlabelled[std::string(enum_name(target))] = Json::object();
    for (const auto& [text, rows] : summary.files.unlabelled[static_cast<std::size_t>(target)]) {
      texts[text] = rows;
    }
  }
  for (const PlannedView& view : summary.plan.views) {
    views.push_back({{"name", name_of(view)}, {"count", view.images.size()}});
  }
  return {{"records", summary.plan.images.size()},
          {"rows", summary.rows},
          {"repeated_rows", summary.repeated_rows},
          {"rows_without_label", summary.rows_without_label},
          {"missing_images", summary.missing_images},
          {"resumed", summary.resumed},
          {"unlabelled", unlabelled},
          {"fixed_labels", summary.files.fixed},
          {"views", views}};
}

// What was left out, one line per reason.
void print_skipped(const AdienceSummary& summary) {
  if (summary.rows > 0) {
    std::cout << summary.rows << " rows, " << summary.repeated_rows << " of them repeated, "
              << summary.rows_without_label << " with neither age nor gender\n";
  }
  for (const Target target : kTargets) {
    const auto& texts = summary.files.unlabelled[static_cast<std::size_t>(target)];
    if (texts.empty()) continue;
    std::int64_t total = 0;
    std::string list;
    for (const auto& [text, rows] : texts) {
      total += rows;
      list += str(list.empty() ? "" : ", ", "'", text, "' ", rows);
    }
    std::cout << "no " << enum_name(target) << " label: " << total << " rows: " << list << '\n';
  }
  for (const auto& [text, rows] : summary.files.fixed) {
    std::cout << "age '" << text << "' read as "
              << kAgeClasses[static_cast<std::size_t>(fixed_age(text))] << ": " << rows
              << " rows\n";
  }
  if (summary.missing_images > 0) {
    std::cout << "missing images: " << summary.missing_images << '\n';
  }
}

void print_views(const AdienceSummary& summary) {
  for (const PlannedView& view : summary.plan.views) {
    std::cout << std::left << std::setw(40) << name_of(view) << std::right << std::setw(8)
              << view.images.size() << '\n';
  }
}

void run_adience(AdienceArguments& arguments) {
  AdienceOptions& o = arguments.options;
  if (o.folds.empty() && o.lists.empty()) throw CLI::RequiredError("--folds or --lists");
  if (!arguments.dry_run && o.images.empty()) throw CLI::RequiredError("--images");
  if (!arguments.dry_run && o.out.empty()) throw CLI::RequiredError("--out");
  read_json(Json(arguments.alignment), o.alignment, "--alignment");
  read_json(Json(arguments.encode), o.encode, "--encode");
  read_json(Json(arguments.validation), o.validation, "--val");
  o.shard_bytes = arguments.shard_mib << 20;
  o.seed = common().seed;
  o.threads = common().threads;
  o.overwrite = common().force;
  o.command =
      str("fovea data adience --images ", o.images.string(), " --folds ", o.folds.string(),
          o.lists.empty() ? "" : " --lists ", o.lists.string(), " --alignment ",
          arguments.alignment, " --size ", o.size, " --encode ", arguments.encode, " --val ",
          arguments.validation, o.label_fix ? " --label-fix" : "", " --seed ", o.seed);
  AdienceSummary summary;
  {
    Progress progress("packing");
    o.progress = [&](std::int64_t done, std::int64_t total) { progress.update(done, total); };
    summary = arguments.dry_run ? plan_adience(o) : pack_adience(o);
  }
  if (summary.resumed > 0) {
    talk(str("went on with ", summary.resumed, " images that an earlier run had packed"));
  }
  if (common().json) return print_json(summary_json(summary));
  print_skipped(summary);
  if (arguments.dry_run) {
    print_views(summary);
    std::cout << "would pack " << summary.plan.images.size() << " images\n";
  } else {
    std::cout << o.out.string() << ": " << summary.plan.images.size() << " images, "
              << summary.plan.views.size() << " views\n";
  }
}

}  // namespace

void add_data_adience_command(CLI::App& data) {
  CLI::App* command =
      data.add_subcommand("adience", "Adience layout to a store with the views of the study");
  const auto a = std::make_shared<AdienceArguments>();
  AdienceOptions& o = a->options;
  command->add_option("--images", o.images,
                      "folder with aligned/ and / or faces/, or the user folders");
  command->add_option("--folds", o.folds, "folder of fold_0_data.txt, fold_1_data.txt, ...");
  command->add_option("--lists", o.lists,
                      "folder of ready lists, test_fold_is_<K>/<target>_<split>.txt");
  command->add_option("--out", o.out, "store to write");
  command->add_option("--alignment", a->alignment, "aligned | unaligned | mixed")
      ->check(CLI::IsMember({"aligned", "unaligned", "mixed"}))
      ->capture_default_str();
  command->add_option("--size", o.size, "rows and columns of the stored images")
      ->check(CLI::Range(1, kMaxImageExtent))
      ->capture_default_str();
  command->add_option("--encode", a->encode, "raw | jpeg")
      ->check(CLI::IsMember({"raw", "jpeg"}))
      ->capture_default_str();
  command
      ->add_option("--val", a->validation, "how val is drawn: study (by face) | subject-exclusive")
      ->check(CLI::IsMember({"study", "subject-exclusive"}))
      ->capture_default_str();
  command->add_flag("--label-fix", o.label_fix,
                    "read '(25, 23)' and its like as the age group they mean");
  command
      ->add_option("--shard-size", a->shard_mib, "MiB per payload file beside the store, 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_flag("--skip-missing", o.skip_missing, "go on without images that are missing");
  command->add_flag("--dry-run", a->dry_run,
                    "only read the fold files and print what the views would count");
  command->footer(
      "A run that was killed goes on where it was when it is started again.\n\n"
      "Example: fovea data adience --images faces --folds faces --out faces.store");
  command->callback([a] { run_adience(*a); });
}

}  // namespace fovea::apps
