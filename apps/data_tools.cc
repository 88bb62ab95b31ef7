// `fovea data inspect | verify | stats | extract | mean`: looking into a store.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <set>

#include "apps/common.h"
#include "apps/data.h"
#include "apps/progress.h"
#include "data/export.h"
#include "data/mean.h"
#include "data/stats.h"
#include "data/store.h"
#include "data/verify.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

struct ToolArguments {
  std::filesystem::path store, out;
  std::string view, label, names = "number";
  std::int64_t record = -1;
};

std::function<void(std::int64_t, std::int64_t)> drawn_by(Progress& progress) {
  return [&progress](std::int64_t done, std::int64_t total) { progress.update(done, total); };
}

// Name of the column that a view is about; Error when it is about none.
std::string_view target_name(const Store& store, const View& view) {
  require(view.target >= 0, "view in ", store.path().string(), ": ", view.name,
          " is about no column, expected --label");
  return store.columns()[static_cast<std::size_t>(view.target)].name;
}

Json view_json(const Store& store, const View& view) {
  Json result{{"name", view.name}, {"target", nullptr}};
  if (view.target >= 0) {
    result["target"] = store.columns()[static_cast<std::size_t>(view.target)].name;
  }
  result.update(view.provenance);
  result["count"] = view.records.size();
  return result;
}

// Columns that hold a record's origin rather than something to learn are left out of "classes".
bool is_target(const Store& store, std::size_t column) {
  for (const View& view : store.views()) {
    if (view.target == static_cast<int>(column)) return true;
  }
  return false;
}

Json inspect_json(const Store& store) {
  Json views = Json::array(), classes = Json::object(), columns = Json::array();
  for (const View& view : store.views()) views.push_back(view_json(store, view));
  for (std::size_t c = 0; c < store.columns().size(); ++c) {
    const LabelColumn& column = store.columns()[c];
    columns.push_back({{"name", column.name}, {"classes", column.classes.size()}});
    if (is_target(store, c)) classes[std::string(column.name)] = column.classes;
  }
  return {{"records", store.size()},
          {"views", views},
          {"classes", classes},
          {"columns", columns},
          {"metadata", store.metadata()}};
}

void inspect(const ToolArguments& a) {
  const Store store(a.store);
  if (common().json) return print_json(inspect_json(store));
  std::cout << store.path().string() << ": " << store.size() << " records, "
            << std::filesystem::file_size(store.path()) << " bytes\n";
  for (const auto& [key, value] : store.metadata().items()) {
    std::cout << "  " << std::left << std::setw(16) << key << ' '
              << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
  }
  for (std::size_t c = 0; c < store.columns().size(); ++c) {
    const LabelColumn& column = store.columns()[c];
    std::cout << "label " << column.name << ": " << column.classes.size() << " classes";
    if (is_target(store, c)) {
      for (std::size_t k = 0; k < column.classes.size(); ++k) {
        std::cout << (k == 0 ? ": " : ", ") << column.classes[k];
      }
    }
    std::cout << '\n';
  }
  for (const View& view : store.views()) {
    std::cout << std::left << std::setw(40) << view.name << std::right << std::setw(8)
              << view.records.size() << '\n';
  }
}

void verify(const ToolArguments& a) {
  const Store store(a.store);
  {
    Progress progress("verifying");
    verify_store(store, common().threads, drawn_by(progress));
  }
  if (common().json) return print_json({{"records", store.size()}, {"intact", true}});
  std::cout << store.path().string() << ": " << store.size() << " records, all intact\n";
}

// One line per class; the counts stand below each other.
void print_counts(const Json& counts) {
  std::size_t width = 12;
  for (const auto& [name, count] : counts.items()) width = std::max(width, name.size());
  for (const auto& [name, count] : counts.items()) {
    std::cout << "  " << std::left << std::setw(static_cast<int>(width)) << name << std::right
              << std::setw(8) << count.dump() << '\n';
  }
}

void stats(const ToolArguments& a) {
  const Store store(a.store);
  const View* view = a.view.empty() ? nullptr : &store.view(a.view);
  const Json result = store_stats(store, view, common().threads);
  if (common().json) return print_json(result);
  std::cout << result["records"] << " records, " << result["distinct"] << " distinct, "
            << result["bytes"] << " bytes\n";
  for (const auto& [column, counts] : result["labels"].items()) {
    std::cout << column << '\n';
    print_counts(counts);
  }
  if (result.contains("folds")) {
    for (const auto& [fold, counts] : result["folds"].items()) {
      std::cout << "fold " << fold << ": " << counts["records"] << " records\n";
    }
  }
  if (result.contains("subjects") && result["subjects"].contains("most")) {
    const Json& subjects = result["subjects"];
    std::cout << subjects["count"] << " subjects with " << subjects["fewest"] << " to "
              << subjects["most"] << " records, " << std::setprecision(3)
              << subjects["mean"].get<double>() << " on average\n";
  }
  if (!result.contains("channels")) return;
  for (const auto& [name, channel] : result["channels"].items()) {
    std::cout << name << ": mean " << std::fixed << std::setprecision(3)
              << channel["mean"].get<double>() << ", std " << channel["std"].get<double>() << '\n';
  }
}

void extract(const ToolArguments& a) {
  const Store store(a.store);
  std::set<std::uint32_t> numbers;
  if (a.view.empty() == (a.record < 0)) throw CLI::RequiredError("either --record or --view");
  if (a.view.empty()) {
    require(a.record < store.size(), "unknown record in ", a.store.string(), ": ", a.record,
            ", expected below ", store.size());
    numbers.insert(static_cast<std::uint32_t>(a.record));
  } else {
    const auto& records = store.view(a.view).records;
    numbers.insert(records.begin(), records.end());
  }
  ExtractOptions options{.overwrite = common().force};
  read_json(Json(a.names), options.names, "--names");
  if (options.names == FileNames::kClass) {
    require(!a.view.empty() || !a.label.empty(), "classes of ", a.store.string(),
            ": of no column, expected --label");
    options.column = &store.column(a.label.empty() ? target_name(store, store.view(a.view))
                                                   : std::string_view(a.label));
  }
  Progress progress("extracting");
  options.progress = drawn_by(progress);
  const std::vector<std::uint32_t> list(numbers.begin(), numbers.end());
  extract_records(store, list, a.out, options);
  if (common().json) print_json({{"extracted", numbers.size()}});
}

void mean(const ToolArguments& a) {
  const Store store(a.store);
  const View& view = store.view(a.view);
  std::error_code ignored;
  require(common().force || !std::filesystem::exists(a.out, ignored),
          "output exists: ", a.out.string(), ", expected a new name (or --force)");
  std::optional<Progress> progress("averaging");
  const Tensor<float> result = mean_image(store, view, common().threads, drawn_by(*progress));
  progress.reset();
  write_mean(a.out, result.view(), common().force);
  if (common().json)
    print_json({{"images", view.records.size()},
                {"shape", std::vector<std::int64_t>(result.shape.begin(), result.shape.end())}});
}

CLI::App* add_tool(CLI::App& data, const std::string& name, const std::string& what,
                   const std::shared_ptr<ToolArguments>& arguments,
                   void (*run)(const ToolArguments&)) {
  CLI::App* command = data.add_subcommand(name, what);
  command->add_option("STORE", arguments->store, "the store file")->required();
  command->callback([arguments, run] { run(*arguments); });
  return command;
}

}  // namespace

void add_data_tool_commands(CLI::App& data) {
  const auto a = std::make_shared<ToolArguments>();
  add_tool(data, "inspect", "What a store holds: views, classes, metadata", a, inspect)
      ->footer("Example: fovea data inspect faces.store --json");
  add_tool(data, "verify", "Check every byte of a store", a, verify)
      ->footer("Example: fovea data verify faces.store");
  CLI::App* command = add_tool(data, "stats", "Counts per class and mean brightness", a, stats);
  command->add_option("--view", a->view, "only this view");
  command->footer("Example: fovea data stats faces.store --view age/aligned/fold0/test");
  command = add_tool(data, "extract", "Images as files: PNG, or the original bytes", a, extract);
  command->add_option("--record", a->record, "number of the record")->check(not_negative());
  command->add_option("--view", a->view, "every record of this view");
  command->add_option("--out", a->out, "folder for the files")->required();
  command->add_option("--names", a->names, "number | source (as imported) | class (a folder each)")
      ->check(CLI::IsMember({"number", "source", "class"}))
      ->capture_default_str();
  command->add_option("--label", a->label, "column of the classes (default: the view's)");
  command->footer("Example: fovea data extract faces.store --record 7 --out images");
  command = add_tool(data, "mean", "Mean image of a view, blue green red", a, mean);
  command->add_option("--view", a->view, "the view to average")->required();
  command->add_option("--out", a->out, "MEAN.npy or MEAN.binaryproto")->required();
  command->footer(
      "Example: fovea data mean faces.store --view age/aligned/fold0/train --out mean.npy");
}

}  // namespace fovea::apps
