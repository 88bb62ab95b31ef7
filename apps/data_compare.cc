// `fovea data split | diff | audit`: what stores share, and what their splits do.
#include <iomanip>
#include <iostream>
#include <memory>
#include <numeric>

#include "apps/common.h"
#include "apps/data.h"
#include "apps/progress.h"
#include "data/audit.h"
#include "data/diff.h"
#include "data/split.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

void add_split(CLI::App& data) {
  struct Arguments {
    fs::path store;
    SplitOptions options;
  };
  const auto a = std::make_shared<Arguments>();
  SplitOptions& o = a->options;
  CLI::App* command =
      data.add_subcommand("split", "k folds by subject, stratified by class, as new views");
  command->add_option("STORE", a->store, "the store file")->required();
  command->add_option("--label", o.label, "column the views are about")->required();
  command->add_option("--by", o.group, "column whose classes stay together; '' for none")
      ->capture_default_str();
  command->add_option("--name", o.name, "views are <label>/<name>/fold<K>/<train|val|test>")
      ->capture_default_str();
  command->add_option("--folds", o.folds, "number of folds")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  command->add_option("--val", o.validation, "val is one in so many of the rest, 0: no val")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->footer("Example: fovea data split faces.store --label age --folds 5 --by subject");
  command->callback([a] {
    a->options.seed = common().seed;
    const auto names = split_store(a->store, a->options);
    const Store store(a->store);
    Json views = Json::array();
    for (const std::string& name : names) {
      const auto count = store.view(name).records.size();
      views.push_back({{"name", name}, {"count", count}});
      if (!common().json) {
        std::cout << std::left << std::setw(40) << name << std::right << std::setw(8) << count
                  << '\n';
      }
    }
    if (common().json) print_json({{"views", views}});
  });
}

void print_examples(const Json& examples) {
  for (const auto& [kind, list] : examples.items()) {
    for (const Json& example : list) std::cout << "  " << kind << ": " << example.dump() << '\n';
  }
}

void add_diff(CLI::App& data) {
  struct Arguments {
    fs::path a, b;
  };
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = data.add_subcommand("diff", "What differs between two stores");
  command->add_option("A", a->a, "a store file")->required();
  command->add_option("B", a->b, "another")->required();
  command->footer("Exit code 1 when they differ.\n\nExample: fovea data diff old.store new.store");
  command->callback([a] {
    const Store left(a->a), right(a->b);
    const Json result = diff_stores(left, right, common().threads);
    const bool equal = result["equal"].get<bool>();
    if (common().json) {
      print_json(result);
    } else if (equal) {
      std::cout << "equal: " << left.size() << " records, " << left.views().size() << " views\n";
    } else {
      for (const char* kind : {"only_in_a", "only_in_b", "pixels", "labels", "views"}) {
        std::cout << std::left << std::setw(12) << kind << std::right << std::setw(8)
                  << result[kind].get<std::int64_t>() << '\n';
      }
      print_examples(result["examples"]);
    }
    require(equal, "stores differ: ", a->a.string(), " and ", a->b.string(),
            ", expected equal ones");
  });
}

// "2.5", "no (60, 100)" where training lacks a class, "-" where the views are about no column.
std::string skew_text(const Json& fold) {
  if (!fold.contains("class_skew")) return "-";
  std::string absent;
  for (const Json& name : fold["absent_classes"]) {
    absent += str(absent.empty() ? "no " : ", ", name.get<std::string>());
  }
  if (!absent.empty()) return absent;
  if (fold["class_skew"].is_null()) return "-";
  return str(std::fixed, std::setprecision(1), fold["class_skew"].get<double>());
}

void print_audit(const Json& result) {
  std::cout << result["records"] << " records: " << result["exact_duplicates"]
            << " exact duplicates, " << result["near_duplicates"] << " near ones, "
            << result["label_conflicts"] << " with other labels\n"
            << std::left << std::setw(28) << "fold" << std::right << std::setw(24)
            << "subjects shared val/test" << std::setw(24) << "duplicates val/test" << std::setw(8)
            << "skew" << '\n';
  const auto both = [](const Json& fold, const char* key) {
    if (!fold.contains(key)) return std::string("-");
    const auto part = [&](const char* name) {
      return fold[key].contains(name) ? fold[key][name].dump() : std::string("-");
    };
    return part("train_val") + " / " + part("train_test");
  };
  for (const Json& fold : result["views"]) {
    std::cout << std::left << std::setw(28) << fold["fold"].get<std::string>() << std::right
              << std::setw(24) << both(fold, "shared_subjects") << std::setw(24)
              << both(fold, "shared_duplicates") << ' ' << std::setw(7) << skew_text(fold) << '\n';
  }
  for (const Json& sentence : result["protocol"]) std::cout << sentence.get<std::string>() << '\n';
  print_examples(result["examples"]);
}

void add_audit(CLI::App& data) {
  struct Arguments {
    fs::path store;
    AuditOptions options;
  };
  const auto a = std::make_shared<Arguments>();
  CLI::App* command =
      data.add_subcommand("audit", "Subjects and duplicates that splits share, label conflicts");
  command->add_option("STORE", a->store, "the store file")->required();
  command
      ->add_option("--distance", a->options.max_distance,
                   "bits of 64 in which the hashes of near duplicates may differ")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  command->footer("Example: fovea data audit faces.store");
  command->callback([a] {
    const Store store(a->store);
    Json result;
    {
      Progress progress("hashing");
      a->options.threads = common().threads;
      a->options.progress = [&](std::int64_t done, std::int64_t total) {
        progress.update(done, total);
      };
      result = audit_store(store, a->options);
    }
    if (common().json) return print_json(result);
    print_audit(result);
  });
}

}  // namespace

void add_data_compare_commands(CLI::App& data) {
  add_split(data);
  add_diff(data);
  add_audit(data);
}

}  // namespace fovea::apps
