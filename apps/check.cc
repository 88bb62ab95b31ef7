// `fovea check`: a net's layers on two or more devices, side by side.
#include "engine/check/check.h"

#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/resolve.h"
#include "engine/core/json_fields.h"
#include "engine/core/split_list.h"
#include "engine/io/weights.h"
#include "engine/train/filler.h"

namespace fovea::apps {
namespace {

struct CheckArguments {
  std::string net, weights, devices = "reference,cpu", layers = "*", rules = "all", bias = "absorb";
  std::int64_t batch = 1;
  double bound_scale = 1;
};

Graph graph_of(const CheckArguments& a, const std::optional<Model>& given) {
  if (given) return build_graph(model_net(*given, a.net, a.batch, Phase::kTrain));
  return build_graph(load_net(resolve_net(a.net), {.phase = Phase::kTrain, .batch = a.batch}));
}

void load(Executor& model, const std::optional<Model>& given) {
  fill_params(model, common().seed);
  if (!given) return;
  const WeightReport report = load_weights(model, given->file, given->path);
  for (const std::string& name : report.missing)
    talk(str("not in ", given->path, ": ", name, ", filled as the net says"));
}

constexpr std::array kColumns{24, 18, 12, 12, 12, 12, 12};

void print_row(const std::array<std::string, kColumns.size()>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool text = i < 3;
    std::cout << (i ? " " : "") << (text ? std::left : std::right) << std::setw(kColumns[i])
              << cells[i];
  }
}
std::string short_number(double value) {
  std::ostringstream text;
  text << std::setprecision(3) << value;
  return text.str();
}

std::string worst_element(const CheckLine& line) {
  return str(line.layer, ", ", line.what, line.rule.empty() ? "" : " by " + line.rule, " on ",
             line.device, ": tensor ", line.tensor, ", element ", line.index, ": expected ",
             line.expected, ", actual ", line.actual, ", error ", line.error, ", bound ",
             line.bound);
}

void print_line(const CheckLine& line) {
  print_row({line.layer, line.what, line.device, short_number(line.max_error),
             short_number(line.bound), short_number(1e3 * line.first_s),
             short_number(1e3 * line.seconds)});
  std::cout << (line.rule.empty() ? "" : "  " + line.rule) << (line.ok ? "" : "  MISMATCH") << '\n'
            << std::flush;
  if (!line.ok) std::cout << "  " << worst_element(line) << '\n';
}

void print_header() {
  print_row({"layer", "pass", "device", "max error", "bound there", "first, ms", "device, ms"});
  std::cout << '\n';
}

void check(const CheckArguments& a) {
  require(common().precision == "fp32", "no precision ", common().precision,
          " for check, expected fp32");
  const std::vector<std::string> devices = split_list(a.devices);
  std::optional<Model> given;
  if (!a.weights.empty()) given = read_model(a.weights);
  Executor model(graph_of(a, given), {.device = "cpu"});
  load(model, given);
  given.reset();
  Progress progress("checking");
  CheckOptions options{
      .devices = devices,
      .layers = a.layers,
      .rules = a.rules == "none" ? std::vector<std::string>{} : split_list(a.rules),
      .seed = common().seed,
      .bound_scale = a.bound_scale,
      .progress = {},
      .found = {},
      .disturb = {}};
  read_json(Json(a.bias), options.bias, "--bias");
  options.progress = [&](std::size_t done, std::size_t all, const std::string& layer) {
    progress.update(static_cast<std::int64_t>(done), static_cast<std::int64_t>(all), layer);
  };
  if (!common().json) {
    options.found = [first = true](const CheckLine& line) mutable {
      if (first) print_header();
      first = false;
      print_line(line);
    };
  }
  const std::vector<CheckLine> lines = check_net(model, options);
  const CheckLine* worst = nullptr;
  std::size_t mismatches = 0;
  Json list = Json::array();
  for (const CheckLine& line : lines) {
    list.push_back(write_json(line));
    if (line.ok) continue;
    ++mismatches;
    if (!worst || line.error * worst->bound > worst->error * line.bound) worst = &line;
  }
  if (common().json)
    print_json({{"net", model.graph().name},
                {"devices", devices},
                {"batch", a.batch},
                {"mismatches", mismatches},
                {"lines", list}});
  require(mismatches == 0, mismatches, " of ", lines.size(), " comparisons are off, worst ",
          worst ? worst_element(*worst) : "");
  talk(str(lines.size(), " comparisons within their bounds"));
}

}  // namespace

void add_check_command(CLI::App& app) {
  auto a = std::make_shared<CheckArguments>();
  CLI::App* c = app.add_subcommand(
      "check",
      "every layer of a net, forward, backward and relevance, on several devices side by side");
  c->add_option("NET", a->net, "name in nets/, .json or .prototxt")->required();
  c->add_option("--weights", a->weights, "weights (default: filled as the net says)");
  c->add_option("--devices", a->devices,
                "cpu | reference | emulated | cuda[:N] | cudnn[:N], two or more; the others are "
                "compared with "
                "the first")
      ->capture_default_str();
  c->add_option("--batch", a->batch, "images at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  c->add_option("--layers", a->layers, "layers to check, with * and ?")->capture_default_str();
  c->add_option(
       "--rules", a->rules,
       "relevance rules that layers are explained by: all that they have | none | those of the "
       "presets NAME,...")
      ->capture_default_str();
  c->add_option("--bias", a->bias,
                "of relevance: absorb | distribute, over the taps, by those of the rules that can "
                "(tap by tap: slow on large layers)")
      ->check(CLI::IsMember({"absorb", "distribute"}))
      ->capture_default_str();
  c->add_option("--bound-scale", a->bound_scale,
                "multiplies the bounds: below 1 shows what is near its bound")
      ->check(not_negative())
      ->capture_default_str();
  c->footer(
      "Example: fovea check adiencenet --devices cpu,emulated --layers 'conv*'\n"
      "Exit code 1 when anything is off by more than its bound.");
  c->callback([a] { check(*a); });
}

}  // namespace fovea::apps
