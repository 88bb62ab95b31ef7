// The result files of `fovea relevance evaluate`.
#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "apps/relevance_evaluate.h"
#include "data/html.h"
#include "data/line_chart.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;
using lab::Evaluation;
using lab::ImageMeasures;
using lab::LayerSimilarity;
using lab::PerturbationCurve;

Json curve_json(const PerturbationCurve& curve) {
  return {{"aopc", curve.aopc_probability()},
          {"aopc_score", curve.aopc_score()},
          {"share", curve.share},
          {"probability", curve.probability},
          {"score", curve.score},
          {"accuracy", curve.accuracy}};
}

Json layers_json(const std::vector<LayerSimilarity>& layers) {
  Json list = Json::array();
  for (const LayerSimilarity& layer : layers) {
    Json entry = {{"layer", layer.layer}};
    entry.update(write_json(layer.similarity));
    list.push_back(entry);
  }
  return list;
}

Json rule_json(const Evaluation& rule, bool masks) {
  Json json = {{"rule", rule.rule}};
  if (masks) {
    json["mass_inside"] = rule.mean(&ImageMeasures::mass_inside);
    json["rank_inside"] = rule.mean(&ImageMeasures::rank_inside);
    json["pointing"] = rule.pointing();
  }
  json["sparseness"] = rule.mean(&ImageMeasures::sparseness);
  json["complexity"] = rule.mean(&ImageMeasures::complexity);
  if (rule.most_first) {
    json["most_relevant_first"] = curve_json(*rule.most_first);
    json["least_relevant_first"] = curve_json(*rule.least_first);
    json["area_between"] = rule.area_between();
  }
  if (rule.random_logit) json["random_logit"] = write_json(*rule.random_logit);
  if (!rule.cascading.empty()) {
    json["cascading"] = layers_json(rule.cascading);
    json["independent"] = layers_json(rule.independent);
  }
  return json;
}

std::string curves_csv(const std::vector<Evaluation>& rules) {
  std::string csv = "rule,order,step,share,score,probability,accuracy\n";
  const auto add = [&](const std::string& rule, const char* order, const PerturbationCurve& curve) {
    for (std::size_t k = 0; k < curve.share.size(); ++k) {
      csv += str(rule, ',', order, ',', k, ',', curve.share[k], ',', curve.score[k], ',',
                 curve.probability[k], ',', curve.accuracy[k], '\n');
    }
  };
  for (const Evaluation& rule : rules) {
    add(rule.rule, "most-relevant-first", *rule.most_first);
    add(rule.rule, "least-relevant-first", *rule.least_first);
  }
  return csv;
}

std::string randomization_csv(const std::vector<Evaluation>& rules) {
  std::string csv =
      "rule,kind,step,layer,rank_correlation,rank_correlation_of_magnitudes,"
      "structural_similarity\n";
  const auto add = [&](const std::string& rule, const char* kind,
                       const std::vector<LayerSimilarity>& layers) {
    for (std::size_t k = 0; k < layers.size(); ++k) {
      const auto& s = layers[k].similarity;
      csv += str(rule, ',', kind, ',', k + 1, ',', layers[k].layer, ',', s.rank_correlation, ',',
                 s.rank_correlation_of_magnitudes, ',', s.structural_similarity, '\n');
    }
  };
  for (const Evaluation& rule : rules) {
    add(rule.rule, "cascading", rule.cascading);
    add(rule.rule, "independent", rule.independent);
  }
  return csv;
}

std::string images_csv(const std::vector<Evaluation>& rules, const std::vector<std::string>& names,
                       bool masks) {
  std::string csv = str("rule,image", masks ? ",mass_inside,rank_inside,points_inside" : "",
                        ",sparseness,complexity\n");
  for (const Evaluation& rule : rules) {
    for (std::size_t n = 0; n < rule.images.size(); ++n) {
      const ImageMeasures& m = rule.images[n];
      csv += str(rule.rule, ',', names[n]);
      if (masks) csv += str(',', m.mass_inside, ',', m.rank_inside, ',', m.points_inside ? 1 : 0);
      csv += str(',', m.sparseness, ',', m.complexity, '\n');
    }
  }
  return csv;
}

bool is_control(const Evaluation& rule) { return rule.rule == "random"; }

void write_curves(const std::vector<Evaluation>& rules, const fs::path& out) {
  write_file(out / "curves.csv", curves_csv(rules), common().force);
  const auto chart = [&](const char* file, const char* title, auto member) {
    LineChart c{.description = title,
                .x_label = "tiles replaced, per cent",
                .y_label = "probability of the class",
                .y_is_share = true};
    for (const Evaluation& rule : rules) {
      ChartLine line{.name = is_control(rule) ? "control" : "", .label = rule.rule, .points = {}};
      const PerturbationCurve& curve = *(rule.*member);
      for (std::size_t k = 0; k < curve.share.size(); ++k)
        line.points.push_back({100 * curve.share[k], curve.probability[k]});
      c.lines.push_back(line);
    }
    write_figure(chart_figure(c, title), (out / file).string(), common().force);
  };
  chart("curves-most", "Most relevant tiles replaced first: lower is better",
        &Evaluation::most_first);
  chart("curves-least", "Least relevant tiles replaced first: higher is better",
        &Evaluation::least_first);
}

void write_randomization(const std::vector<Evaluation>& rules, const fs::path& out) {
  write_file(out / "randomization.csv", randomization_csv(rules), common().force);
  LineChart chart{.description = "similarity to the trained net's maps",
                  .x_label = "layers randomised, from the output down",
                  .y_label = "rank correlation",
                  .y_start = 0};
  for (const Evaluation& rule : rules) {
    ChartLine line{
        .name = is_control(rule) ? "control" : "", .label = rule.rule, .points = {{0, 1}}};
    for (const LayerSimilarity& layer : rule.cascading) {
      const double value = layer.similarity.rank_correlation;
      line.points.push_back({static_cast<double>(line.points.size()), value});
      chart.y_start = std::min(chart.y_start, value);
    }
    chart.lines.push_back(line);
  }
  write_figure(chart_figure(chart, "Parameters randomised, layer by layer: lower is better"),
               (out / "randomization").string(), common().force);
}

// One column of the table: its head, its width, and what a rule has there.
struct Column {
  std::string head;
  int width;
  std::function<std::string(const Evaluation&)> cell;
};

std::vector<Column> columns_of(const EvaluationReport& report) {
  std::size_t widest = 4;
  for (const Evaluation& rule : report.rules) widest = std::max(widest, rule.rule.size());
  std::vector<Column> columns{
      {"rule", static_cast<int>(widest), [](const Evaluation& e) { return e.rule; }}};
  const auto share = [&](const char* head, auto&& value) {
    columns.push_back({head, 9, [=](const Evaluation& e) { return percent(value(e)); }});
  };
  const auto number = [&](const char* head, auto&& value) {
    columns.push_back({head, 9, [=](const Evaluation& e) { return fixed(value(e), 3); }});
  };
  if (report.mask_share >= 0) {
    share("mass", [](const Evaluation& e) { return e.mean(&ImageMeasures::mass_inside); });
    share("rank", [](const Evaluation& e) { return e.mean(&ImageMeasures::rank_inside); });
    share("pointing", [](const Evaluation& e) { return e.pointing(); });
  }
  number("sparse", [](const Evaluation& e) { return e.mean(&ImageMeasures::sparseness); });
  number("complex", [](const Evaluation& e) { return e.mean(&ImageMeasures::complexity); });
  const Evaluation& any = report.rules.front();
  if (any.most_first) {
    number("most", [](const Evaluation& e) { return e.most_first->aopc_probability(); });
    number("least", [](const Evaluation& e) { return e.least_first->aopc_probability(); });
    number("between", [](const Evaluation& e) { return e.area_between(); });
  }
  if (any.random_logit)
    number("class", [](const Evaluation& e) { return e.random_logit->rank_correlation; });
  if (!any.cascading.empty()) {
    number("cascade", [](const Evaluation& e) { return e.mean_rank_correlation(e.cascading); });
    number("layer", [](const Evaluation& e) { return e.mean_rank_correlation(e.independent); });
  }
  return columns;
}

}  // namespace

Json to_json(const EvaluationReport& report) {
  Json json = report.facts;
  if (report.mask_share >= 0) json["mask_share"] = report.mask_share;
  json["rules"] = Json::array();
  for (const Evaluation& rule : report.rules)
    json["rules"].push_back(rule_json(rule, report.mask_share >= 0));
  return json;
}

void print_table(const EvaluationReport& report) {
  std::cout << report.title << "\n\n";
  const std::vector<Column> columns = columns_of(report);
  const auto print_row = [&](auto&& cell) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::cout << (i == 0 ? std::left : std::right) << (i == 0 ? "" : "  ")
                << std::setw(columns[i].width) << cell(columns[i]);
    }
    std::cout << '\n';
  };
  print_row([](const Column& c) { return c.head; });
  for (const Evaluation& rule : report.rules)
    print_row([&](const Column& c) { return c.cell(rule); });
  if (report.mask_share >= 0) {
    std::cout << "\nmass, rank, pointing: relevance inside the masks, which cover "
              << percent(report.mask_share) << " of the images\n";
  }
  std::cout << (report.mask_share >= 0 ? "" : "\n")
            << "sparse: Gini index; complex: entropy in nats\n";
  if (report.rules.front().most_first)
    std::cout << "most, least: AOPC of the probability with those tiles replaced first; between: "
                 "the difference\n";
  if (report.rules.front().random_logit)
    std::cout << "class: rank correlation with the map of another class\n";
  if (!report.rules.front().cascading.empty())
    std::cout << "cascade, layer: rank correlation with the maps of a net whose layers are "
                 "randomised from the output down, or one at a time; mean over the layers\n";
}

void write_files(const EvaluationReport& report, const std::vector<std::string>& names,
                 const fs::path& out) {
  fs::create_directories(out);
  write_file(out / "evaluation.json", to_json(report).dump(2) + "\n", common().force);
  write_file(out / "images.csv", images_csv(report.rules, names, report.mask_share >= 0),
             common().force);
  if (report.rules.front().most_first) write_curves(report.rules, out);
  if (!report.rules.front().cascading.empty()) write_randomization(report.rules, out);
}

}  // namespace fovea::apps
