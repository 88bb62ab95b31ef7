// `fovea eval`: fold accuracy and 1-off accuracy, single crop and 10-crop.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "apps/ensemble.h"
#include "apps/folds.h"
#include "apps/resolve.h"
#include "engine/core/json_fields.h"
#include "engine/core/split_list.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string config, store, fold = "0", split = "test", crops = "oversample";
  std::vector<std::string> weights, snapshots = {"newest"};
  bool expected = false;
};

struct FoldResult {
  int fold = 0;
  Evaluation single, oversample;
  std::vector<std::string> classes;
  std::string weights;
  std::vector<FoldResult> members;  // of an ensemble: each by itself
};

std::vector<Crops> crops_of(const std::string& name) {
  if (name == "oversample") return {Crops::kCentre, Crops::kOversample};
  return {name == "legacy-single"   ? Crops::kBottomRight
          : name == "center-mirror" ? Crops::kCentreMirror
                                    : Crops::kCentre};
}

FoldResult evaluate_fold(const Arguments& a, const TrainConfig& config, const Store& store,
                         int fold) {
  const View& view = store.view(fold_view(config, fold, a.split));
  const std::vector<Crops> crops = crops_of(a.crops);
  ModelEvaluator evaluator(config, store, view, crops);
  FoldResult result{.fold = fold};
  std::vector<std::vector<Predictions>> members(crops.size());  // [crops][member]
  const auto evaluate_all = [&](FoldResult& of, auto predictions_by) {
    of.single = evaluate(predictions_by(0));
    if (crops.size() > 1) of.oversample = evaluate(predictions_by(1));
  };
  for (const auto& file : snapshots_of(a.weights, fold, a.snapshots)) {
    const Model model = read_model(file);
    talk(str("evaluating ", model.path, " on ", view.name, ": ", view.records.size(), " images"));
    const std::vector<Predictions> predictions = evaluator.predict(model);
    for (std::size_t c = 0; c < crops.size(); ++c) members[c].push_back(predictions[c]);
    FoldResult& member = result.members.emplace_back();
    member.fold = fold, member.weights = model.path;
    evaluate_all(member, [&](std::size_t c) { return predictions[c]; });
  }
  evaluate_all(result, [&](std::size_t c) { return mean_of(members[c]); });
  for (const auto& name : store.columns()[static_cast<std::size_t>(view.target)].classes)
    result.classes.emplace_back(name);
  return result;
}

void add_expected(Json& fold, const ExpectedValue& e, const std::string& suffix) {
  fold["accuracy_expected" + suffix] = e.accuracy, fold["one_off_expected" + suffix] = e.one_off;
  fold["mae_expected" + suffix] = e.mae;
}

Json fold_json(const FoldResult& f, bool oversample, bool expected) {
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
  return fold;
}

Json to_json(const std::vector<FoldResult>& folds, bool oversample, bool expected) {
  Json list = Json::array();
  std::map<std::string, std::vector<double>> values;
  for (const FoldResult& f : folds) {
    Json fold = fold_json(f, oversample, expected);
    for (const auto& [key, value] : fold.items()) {
      if (value.is_number_float()) values[key].push_back(value.get<double>());
    }
    fold["per_class_recall"] = f.single.per_class_recall;
    fold["confusion"] = f.single.confusion;
    Json members = Json::array();
    for (const FoldResult& member : f.members) {
      Json one = fold_json(member, oversample, expected);
      one.erase("fold"), one.erase("count");
      one["weights"] = member.weights;
      members.push_back(std::move(one));
    }
    fold["members"] = std::move(members);
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

void print_measures(const Json& of) {
  std::cout << std::setprecision(4);
  for (const char* key :
       {"accuracy", "one_off", "accuracy_oversample", "one_off_oversample", "mae"}) {
    of.contains(key) ? std::cout << std::setw(10) << of[key].get<double>()
                     : std::cout << std::setw(10) << "-";
  }
}

// The members of each fold's ensemble by themselves, in the columns of the table.
void print_members(const Json& fold) {
  if (fold["members"].size() < 2) return;
  std::cout << "fold " << fold["fold"] << ": the mean of " << fold["members"].size() << '\n';
  for (const Json& member : fold["members"]) {
    std::cout << std::left << std::setw(14) << "  alone";
    print_measures(member);
    std::cout << member["weights"].get<std::string>() << '\n';
  }
}

void print_confusion(const FoldResult& fold) {
  std::cout << "\nconfusion of fold " << fold.fold << " (rows: true class, columns: predicted)\n";
  for (std::size_t t = 0; t < fold.classes.size(); ++t) {
    std::cout << std::left << std::setw(10) << fold.classes[t] << std::right;
    for (const std::int64_t n : fold.single.confusion[t]) std::cout << std::setw(6) << n;
    std::cout << "   recall " << std::setprecision(3) << fold.single.per_class_recall[t] << '\n';
  }
}

void print_table(const std::vector<FoldResult>& folds, const Json& json) {
  std::cout << "fold   count  accuracy  1-off     10-crop   1-off     MAE\n" << std::fixed;
  for (const Json& f : json["folds"]) {
    std::cout << std::left << std::setw(7) << f["fold"].get<int>() << std::setw(7)
              << f["count"].get<std::int64_t>();
    print_measures(f);
    std::cout << '\n';
  }
  if (folds.size() > 1) {
    std::cout << "mean   " << json["mean"]["accuracy"].get<double>() << " +- "
              << json["std"]["accuracy"].get<double>() << '\n';
  }
  for (const Json& f : json["folds"]) print_members(f);
  for (const Json& f : json["folds"]) print_expected(f);
  print_confusion(folds[0]);
}

void run(Arguments a) {
  const auto spread_lists = [](std::vector<std::string>& values) {
    std::vector<std::string> parts;
    for (const std::string& value : values) {
      if (std::filesystem::exists(value)) {  // a name may have commas
        parts.push_back(value);
      } else {
        for (std::string& part : split_list(value)) parts.push_back(std::move(part));
      }
    }
    values = std::move(parts);
  };
  spread_lists(a.weights);
  require(!a.weights.empty(), "wrong value for --weights: no name, expected a file or folder");
  const TrainConfig config = load_config(a.config);
  const Store store(a.store);
  std::vector<FoldResult> folds;
  for (const int fold : chosen_folds(store, config, a.fold))
    folds.push_back(evaluate_fold(a, config, store, fold));
  talk_execution(resolve_execution());
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
  command
      ->add_option("--weights", a->weights,
                   "snapshot, or the folder that `fovea train` wrote; several (A,B, or the option "
                   "again) are an ensemble: the mean of their class probabilities")
      ->required()
      ->allow_extra_args(false);
  command
      ->add_option("--snapshot", a->snapshots,
                   "of a folder: newest | best (evaluation.keep_best) | average (of the newest, "
                   "solver.ema) | all; several, with commas, are an ensemble")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"newest", "best", "average", "all"}))
      ->capture_default_str();
  command->add_option("--split", a->split, "test | val | train")
      ->check(CLI::IsMember({"test", "val", "train"}))
      ->capture_default_str();
  command
      ->add_option("--crops", a->crops,
                   "center | center-mirror (the mean of both) | oversample (centre, and the mean "
                   "of ten) | legacy-single")
      ->check(CLI::IsMember({"center", "center-mirror", "oversample", "legacy-single"}))
      ->capture_default_str();
  command->add_flag("--expected", a->expected,
                    "also by the expected class: its MAE, and accuracy by rounding it");
  command->footer(
      "Example: fovea eval configs/demo.json --data faces.fovea --fold 0 --weights runs/demo\n"
      "An ensemble: fovea eval configs/demo.json --data faces.fovea --weights runs/a,runs/b "
      "--snapshot best");
  command->callback([a] { run(*a); });
}

}  // namespace fovea::apps
