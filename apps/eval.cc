// `fovea eval`: fold accuracy and 1-off accuracy, single crop and 10-crop.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "apps/fold_evaluator.h"
#include "apps/folds.h"
#include "apps/resolve.h"
#include "engine/core/json_fields.h"
#include "engine/train/snapshots.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string config, store, fold = "0", weights, split = "test", crops = "oversample",
                             snapshot = "newest";
  bool expected = false;
};

struct FoldResult {
  int fold = 0;
  Evaluation single, oversample;
  std::vector<std::string> classes;
};

// FILE as it is; of a folder the newest snapshot, or the best, in it or in its fold<K>/.
fs::path snapshot_of(const fs::path& weights, int fold, const std::string& which) {
  if (!fs::is_directory(weights)) return weights;
  const fs::path inner = weights / str("fold", fold), folder = fs::exists(inner) ? inner : weights;
  if (which == "best") return best_path(folder);
  const std::int64_t newest = newest_snapshot(folder);
  require(newest >= 0, "no snapshot in ", folder.string(),
          ", expected iter_<N>.safetensors with its .state");
  return which == "average" ? average_path(folder, newest)
                            : snapshot_path(folder, newest, ".safetensors");
}

// A model that says its crop is fed with that, whatever the config says.
Evaluation evaluate_crops(TrainConfig config, const Store& store, const View& view,
                          const Model& model, Crops crops) {
  if (model.crop > 0) config.data.crop = model.crop;
  FoldEvaluator evaluator(config, store, view, {.mean = model.mean, .crops = crops});
  return evaluate(evaluator.predict(model.file, model.path));
}

FoldResult evaluate_fold(const Arguments& a, const TrainConfig& config, const Store& store,
                         int fold) {
  const View& view = store.view(fold_view(config, fold, a.split));
  const Model model = read_model(snapshot_of(a.weights, fold, a.snapshot));
  talk(str("evaluating ", model.path, " on ", view.name, ": ", view.records.size(), " images"));
  FoldResult result{.fold = fold};
  const Crops single = a.crops == "legacy-single" ? Crops::kBottomRight : Crops::kCentre;
  result.single = evaluate_crops(config, store, view, model, single);
  if (a.crops == "oversample")
    result.oversample = evaluate_crops(config, store, view, model, Crops::kOversample);
  for (const auto& name : store.columns()[static_cast<std::size_t>(view.target)].classes)
    result.classes.emplace_back(name);
  return result;
}

void add_expected(Json& fold, const ExpectedValue& e, const std::string& suffix) {
  fold["accuracy_expected" + suffix] = e.accuracy, fold["one_off_expected" + suffix] = e.one_off;
  fold["mae_expected" + suffix] = e.mae;
}

Json to_json(const std::vector<FoldResult>& folds, bool oversample, bool expected) {
  Json list = Json::array();
  std::map<std::string, std::vector<double>> values;
  for (const FoldResult& f : folds) {
    Json fold = {{"fold", f.fold},
                 {"count", f.single.count},
                 {"accuracy", f.single.accuracy},
                 {"one_off", f.single.one_off}};
    if (oversample)
      fold["accuracy_oversample"] = f.oversample.accuracy,
      fold["one_off_oversample"] = f.oversample.one_off;
    fold["mae"] = f.single.mae;
    if (expected) add_expected(fold, f.single.expected, "");
    if (expected && oversample) add_expected(fold, f.oversample.expected, "_oversample");
    for (const auto& [key, value] : fold.items()) {
      if (value.is_number_float()) values[key].push_back(value.get<double>());
    }
    fold["per_class_recall"] = f.single.per_class_recall;
    fold["confusion"] = f.single.confusion;
    list.push_back(std::move(fold));
  }
  Json mean = Json::object(), deviation = Json::object();
  for (const auto& [key, series] : values)
    mean[key] = spread(series).mean, deviation[key] = spread(series).std;
  return {{"folds", list}, {"mean", mean}, {"std", deviation}};
}

void print_expected(const Json& fold) {
  for (const std::string suffix : {"", "_oversample"}) {
    if (!fold.contains("mae_expected" + suffix)) continue;
    std::cout << "fold " << fold["fold"] << ", expected class"
              << (suffix.empty() ? "" : ", 10-crop") << ": accuracy "
              << fold["accuracy_expected" + suffix].get<double>() << ", 1-off "
              << fold["one_off_expected" + suffix].get<double>() << ", MAE "
              << fold["mae_expected" + suffix].get<double>() << '\n';
  }
}

void print_table(const std::vector<FoldResult>& folds, const Json& json) {
  std::cout << "fold   count  accuracy  1-off     10-crop   1-off     MAE\n" << std::fixed;
  for (const Json& f : json["folds"]) {
    std::cout << std::left << std::setw(7) << f["fold"].get<int>() << std::setw(7)
              << f["count"].get<std::int64_t>() << std::setprecision(4);
    for (const char* key :
         {"accuracy", "one_off", "accuracy_oversample", "one_off_oversample", "mae"}) {
      f.contains(key) ? std::cout << std::setw(10) << f[key].get<double>()
                      : std::cout << std::setw(10) << "-";
    }
    std::cout << '\n';
  }
  if (folds.size() > 1) {
    std::cout << "mean   " << json["mean"]["accuracy"].get<double>() << " +- "
              << json["std"]["accuracy"].get<double>() << '\n';
  }
  for (const Json& f : json["folds"]) print_expected(f);
  std::cout << "\nconfusion of fold " << folds[0].fold
            << " (rows: true class, columns: predicted)\n";
  for (std::size_t t = 0; t < folds[0].classes.size(); ++t) {
    std::cout << std::left << std::setw(10) << folds[0].classes[t] << std::right;
    for (const std::int64_t n : folds[0].single.confusion[t]) std::cout << std::setw(6) << n;
    std::cout << "   recall " << std::setprecision(3) << folds[0].single.per_class_recall[t]
              << '\n';
  }
}

void run(const Arguments& a) {
  const TrainConfig config = load_config(a.config);
  const Store store(a.store);
  std::vector<FoldResult> folds;
  for (const int fold : chosen_folds(store, config, a.fold))
    folds.push_back(evaluate_fold(a, config, store, fold));
  const Json json = to_json(folds, a.crops == "oversample", a.expected);
  common().json ? print_json(json) : print_table(folds, json);
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("eval", "accuracy and 1-off accuracy over folds");
  command->add_option("CONFIG", a->config, "the training config")->required();
  command->add_option("--data", a->store, "store made by `fovea data`")->required();
  command->add_option("--fold", a->fold, "test fold, or all")->capture_default_str();
  command->add_option("--weights", a->weights, "snapshot, or the folder that `fovea train` wrote")
      ->required();
  command
      ->add_option(
          "--snapshot", a->snapshot,
          "of a folder: newest | best (evaluation.keep_best) | average (of the newest, solver.ema)")
      ->check(CLI::IsMember({"newest", "best", "average"}))
      ->capture_default_str();
  command->add_option("--split", a->split, "test | val | train")
      ->check(CLI::IsMember({"test", "val", "train"}))
      ->capture_default_str();
  command->add_option("--crops", a->crops, "center | oversample (both) | legacy-single")
      ->check(CLI::IsMember({"center", "oversample", "legacy-single"}))
      ->capture_default_str();
  command->add_flag("--expected", a->expected,
                    "also by the expected class: its MAE, and accuracy by rounding it");
  command->footer(
      "Example: fovea eval configs/demo.json --data faces.fovea --fold 0 --weights runs/demo");
  command->callback([a] { run(*a); });
}

}  // namespace fovea::apps
