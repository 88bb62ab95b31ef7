#include "engine/train/run_log.h"

#include <cmath>
#include <sstream>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// Rows between ';', numbers between ' ': nothing that a CSV would have to quote.
std::string confusion_cell(const Json& confusion) {
  std::string cell;
  for (const Json& row : confusion) {
    if (!cell.empty()) cell += ";";
    for (std::size_t i = 0; i < row.size(); ++i) cell += str(i > 0 ? " " : "", row[i].dump());
  }
  return cell;
}

std::string csv_header(bool evaluates) {
  return str("iteration,loss,lr,accuracy,images_per_s",
             evaluates ? ",eval_accuracy,eval_one_off,eval_mae,eval_loss,eval_confusion" : "",
             "\n");
}

std::string csv_line(const Json& e, bool evaluates) {
  std::string line = str(e["iteration"].dump(), ",", e["loss"].dump(), ",", e["lr"].dump(), ",",
                         e["accuracy"].dump(), ",", e["images_per_s"].dump());
  if (evaluates) {
    const Json found = e.value("evaluation", Json());
    for (const char* key : {"accuracy", "one_off", "mae", "loss"})
      line += str(",", found.is_null() ? "" : found[key].dump());
    line += str(",", found.is_null() ? "" : confusion_cell(found["confusion"]));
  }
  return line + "\n";
}

Json to_json(const MeasuredProgress& measured, const std::string& split) {
  const Evaluation& e = measured.result;
  return {{"split", split},
          {"count", e.count},
          {"accuracy", e.accuracy},
          {"one_off", e.one_off},
          {"mae", e.mae},
          {"loss", e.loss},
          {"expected_mae", e.expected.mae},
          {"expected_accuracy", e.expected.accuracy},
          {"per_class_recall", e.per_class_recall},
          {"confusion", e.confusion},
          {"best", measured.best},
          {"stops", measured.stops}};
}

// TensorBoard shows a text as Markdown.
std::string confusion_table(const std::vector<std::vector<std::int64_t>>& confusion) {
  std::string head = "| true \\ predicted |", rule = "|---|", body;
  for (std::size_t t = 0; t < confusion.size(); ++t) {
    head += str(" ", t, " |"), rule += "---|", body += str("| ", t, " |");
    for (const std::int64_t n : confusion[t]) body += str(" ", n, " |");
    body += "\n";
  }
  return head + "\n" + rule + "\n" + body;
}

}  // namespace

RunLog::RunLog(const fs::path& folder, const Json& description, std::int64_t resumed_at,
               std::string split)
    : json_(folder / "log.jsonl"),
      csv_(folder / "log.csv"),
      split_(std::move(split)),
      events_(folder / "events.out.tfevents.fovea", resumed_at) {
  const bool evaluates = !split_.empty();
  std::string json = description.dump() + "\n", csv = csv_header(evaluates);
  if (resumed_at > 0 && fs::exists(json_)) {
    std::istringstream old(read_file(json_));
    std::string line;
    std::getline(old, line);  // the description
    while (std::getline(old, line)) {
      const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!entry.is_object() || entry.value("iteration", resumed_at + 1) > resumed_at) break;
      json += line + "\n";
      csv += csv_line(entry, evaluates);
    }
  }
  write_file(json_, json);
  write_file(csv_, csv);
}

SavedRunLog read_run_log(const fs::path& folder) {
  SavedRunLog log;
  std::error_code ignored;
  if (!fs::exists(folder / "log.jsonl", ignored)) return log;
  std::istringstream lines(read_file(folder / "log.jsonl"));
  const auto object = [](const std::string& line) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    return json.is_object() ? json : Json();
  };
  std::string line;
  if (std::getline(lines, line)) log.description = object(line);
  while (std::getline(lines, line)) {
    if (Json entry = object(line); entry.contains("iteration"))
      log.entries.push_back(std::move(entry));
  }
  return log;
}

void RunLog::add(const TrainProgress& p) const {
  Json entry = {{"iteration", p.iteration},
                {"loss", p.loss},
                {"lr", shortest_double(p.lr)},
                {"accuracy", p.accuracy},
                {"images_per_s", std::round(p.images_per_s * 10) / 10}};
  if (p.evaluation) entry["evaluation"] = to_json(*p.evaluation, split_);
  append_to_file(json_, entry.dump() + "\n");
  append_to_file(csv_, csv_line(entry, !split_.empty()));
  std::vector<Scalar> scalars = {{"train/loss", static_cast<float>(p.loss)},
                                 {"train/accuracy", static_cast<float>(p.accuracy)},
                                 {"train/learning_rate", p.lr},
                                 {"train/images_per_s", static_cast<float>(p.images_per_s)}};
  std::vector<Text> texts;
  if (p.evaluation) {
    const Evaluation& e = p.evaluation->result;
    scalars.push_back({"eval/accuracy", static_cast<float>(e.accuracy)});
    scalars.push_back({"eval/one_off", static_cast<float>(e.one_off)});
    scalars.push_back({"eval/mae", static_cast<float>(e.mae)});
    scalars.push_back({"eval/loss", static_cast<float>(e.loss)});
    scalars.push_back({"eval/expected_mae", static_cast<float>(e.expected.mae)});
    texts.push_back({"eval/confusion", confusion_table(e.confusion)});
  }
  events_.add(p.iteration, scalars, texts);
}

}  // namespace fovea
