#include "engine/study/result_table.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/study/model_name.h"

namespace fovea::study {
namespace {

std::string one_digit(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string signed_digit(double value) {
  const std::string text = one_digit(value);
  if (text == "-0.0" || text == "0.0") return "0.0";
  return str(value > 0 ? "+" : "", text);
}

std::string spread_text(const Spread& s) { return one_digit(s.mean) + " +- " + one_digit(s.std); }

std::string model_name(const std::string& target, std::string_view start, std::string_view net,
                       std::string_view alignment) {
  const bool adience = net == "net_definitions";
  if (adience && start != "fromscratch") return "";
  return str(target, adience ? "" : "_", adience ? "" : start, "_", net,
             alignment == "aligned" ? "" : "_", alignment == "aligned" ? "" : alignment);
}

template <class T>
std::optional<T> find(const std::vector<T>& list, const std::string& model) {
  const auto found = std::ranges::find(list, model, &T::model);
  return found == list.end() ? std::nullopt : std::optional<T>(*found);
}

bool is_age(const TableCell& cell) { return cell.model.starts_with("age"); }

std::string markdown_cell(const TableCell& cell) {
  const std::string ours = ours_text(cell), paper = paper_text(cell);
  if (ours.empty() && paper.empty()) return "";
  std::string text = ours.empty() ? "" : str("**", ours, "**");
  if (!paper.empty()) text += str(text.empty() ? "" : "<br>", "paper ", paper);
  if (const std::string d = difference_text(cell); !d.empty()) text += str("<br>", d);
  return text;
}

std::string csv_number(bool there, double value) { return there ? Json(value).dump() : ""; }

}  // namespace

PaperResults read_paper_results(const std::filesystem::path& file) {
  PaperResults paper;
  read_json(read_json_file(file), paper, file.string());
  return paper;
}

std::optional<ModelResult> result_of(const Plan& plan, const PlannedModel& model,
                                     const ModelScores& scores) {
  const std::vector<std::int64_t> iterations = common_iterations(scores);
  if (iterations.empty()) return std::nullopt;
  ModelResult result{.model = model.name,
                     .target = model.config.value("target", std::string()),
                     .iteration = iterations.back(),
                     .max_iter = model.config.at("solver").at("max_iter").get<std::int64_t>(),
                     .folds = plan.folds.size(),
                     .accuracy = {},
                     .one_off = {},
                     .confusion = {}};
  std::vector<double> accuracy, one_off;
  for (const SnapshotScore& s : scores_at(scores, result.iteration)) {
    accuracy.push_back(100 * s.oversample.accuracy), one_off.push_back(100 * s.oversample.one_off);
    const Confusion& c = s.oversample.confusion;
    if (result.confusion.empty())
      result.confusion = Confusion(c.size(), std::vector<std::int64_t>(c.size()));
    for (std::size_t i = 0; i < c.size(); ++i) {
      for (std::size_t k = 0; k < c.size(); ++k) result.confusion[i][k] += c[i][k];
    }
  }
  result.accuracy = spread(accuracy), result.one_off = spread(one_off);
  return result;
}

ResultTable result_table(const std::string& target, const std::vector<ModelResult>& results,
                         const PaperResults& paper) {
  ResultTable table{.target = target, .rows = {}};
  for (const std::string_view start : kStarts) {
    for (const std::string_view alignment : kAlignments) {
      TableRow row{.label = row_label(alignment, start), .cells = {}};
      bool any = false;
      for (const std::string_view net : kNets) {
        TableCell cell{.model = model_name(target, start, net, alignment), .ours = {}, .paper = {}};
        cell.ours = find(results, cell.model), cell.paper = find(paper.results, cell.model);
        any |= cell.ours || cell.paper;
        row.cells.push_back(cell);
      }
      if (any) table.rows.push_back(row);
    }
  }
  return table;
}

std::string ours_text(const TableCell& cell) {
  if (!cell.ours) return "";
  const std::string text = spread_text(cell.ours->accuracy);
  return is_age(cell) ? text + " (" + spread_text(cell.ours->one_off) + ")" : text;
}

std::string paper_text(const TableCell& cell) {
  if (!cell.paper) return "";
  const std::string text = one_digit(cell.paper->accuracy);
  return is_age(cell) ? text + " (" + one_digit(cell.paper->one_off) + ")" : text;
}

std::string difference_text(const TableCell& cell) {
  if (!cell.ours || !cell.paper) return "";
  const std::string text = signed_digit(cell.ours->accuracy.mean - cell.paper->accuracy);
  if (!is_age(cell)) return text;
  return text + " (" + signed_digit(cell.ours->one_off.mean - cell.paper->one_off) + ")";
}

std::string table_markdown(const std::vector<ResultTable>& tables,
                           const std::vector<ModelResult>& results, const PaperResults& paper) {
  std::string text = "# Results\n\n";
  text +=
      "Accuracy in per cent over ten crops, mean +- population standard deviation over the folds; "
      "for age in brackets the 1-off accuracy. Below: the paper's number, and ours minus it.\n";
  for (const ResultTable& table : tables) {
    text += str("\n## ", table.target, "\n\n| |");
    for (const std::string_view net : kNets) text += str(" ", net_title(net), " |");
    text += "\n|---|---:|---:|---:|---:|\n";
    for (const TableRow& row : table.rows) {
      text += str("| ", row.label, " |");
      for (const TableCell& cell : row.cells) text += str(" ", markdown_cell(cell), " |");
      text += "\n";
    }
  }
  text += str(
      "\nRows: images aligned in-plane by landmarks (i), rotated only (r), or both in training and "
      "rotated ones in the test (m); starting from scratch (.), from ImageNet weights (n), from "
      "those trained on IMDB-WIKI, too (w). Paper: ",
      paper.source, ".\n");
  text +=
      "\n## What was measured\n\n| model | folds | iteration | accuracy | 1-off "
      "|\n|---|---:|---:|---:|---:|\n";
  for (const ModelResult& r : results)
    text += str("| ", r.model, " | ", r.folds, " | ", r.iteration, " of ", r.max_iter, " | ",
                spread_text(r.accuracy), " | ", r.target == "age" ? spread_text(r.one_off) : "",
                " |\n");
  return text;
}

std::string table_csv(const std::vector<ModelResult>& results, const PaperResults& paper) {
  std::string text =
      "model,target,row,net,folds,iteration,max_iter,accuracy,accuracy_std,one_off,one_off_std,"
      "paper_accuracy,paper_one_off,difference,difference_one_off\n";
  for (const ModelResult& r : results) {
    const std::optional<ModelName> name = parse_model_name(r.model);
    const std::optional<PaperNumber> said = find(paper.results, r.model);
    const bool near = said && r.target == "age";
    const PaperNumber p = said.value_or(PaperNumber{});
    text += str(r.model, ",", r.target, ",",
                name ? str('"', row_label(name->alignment, name->start), '"') : "", ",",
                name ? net_title(name->net) : "", ",", r.folds, ",", r.iteration, ",", r.max_iter,
                ",", Json(r.accuracy.mean).dump(), ",", Json(r.accuracy.std).dump(), ",",
                Json(r.one_off.mean).dump(), ",", Json(r.one_off.std).dump(), ",",
                csv_number(said.has_value(), p.accuracy), ",", csv_number(near, p.one_off), ",",
                csv_number(said.has_value(), r.accuracy.mean - p.accuracy), ",",
                csv_number(near, r.one_off.mean - p.one_off), "\n");
  }
  return text;
}

}  // namespace fovea::study
