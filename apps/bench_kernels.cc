// `fovea bench kernels`: every step of the nets by itself, beside what the device could do.
#include <omp.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <regex>

#include "apps/bench_inputs.h"
#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/backend/registry.h"
#include "engine/bench/relevance_bench.h"
#include "engine/core/json_fields.h"
#include "engine/core/split_list.h"
#include "engine/train/filler.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string nets = "adiencenet,caffenet,googlenet,vgg16", mode = "train", rule = "toolbox-100",
              filter, against;
  std::int64_t batch = 0;
  int runs = 20;
  bool warm = false;
};

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

Json environment(const Device& device) {
  std::array<char, 32> date{};
  const std::time_t now = std::time(nullptr);
  (void)std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M", std::gmtime(&now));
  return {{"device", resolve_device()},
          {"description", device.description()},
          {"processor", processor()},
          {"threads", omp_get_max_threads()},
          {"precision", common().precision},
          {"engine", common().engine},
          {"version", FOVEA_VERSION},
          {"date", date.data()},
          {"libraries", library_version(resolve_device())}};
}

void print_header(const DevicePeaks& peaks) {
  std::cout << std::fixed << std::setprecision(2) << "copy " << peaks.copy_bytes_per_s * 1e-9
            << " GB/s, arithmetic " << peaks.flop_per_s * 1e-12 << " TFLOP/s, measured now\n"
            << std::left << std::setw(42) << "step" << std::setw(10) << "pass" << std::right
            << std::setw(10) << "ms" << std::setw(10) << "spread" << std::setw(11) << "TFLOP/s"
            << std::setw(8) << "share" << std::setw(9) << "GB/s" << std::setw(8) << "share"
            << "  implementation; how many times as long another takes\n";
}

// Rates and shares of the peak beside a timing; zero where there is nothing to say.
Json timing_json(const StepTiming& t, const DevicePeaks& peaks) {
  const auto share = [](double rate, double peak) { return peak > 0 ? rate / peak : 0.0; };
  Json json = write_json(t);
  json["flop_per_s"] = t.flop / t.median_s;
  json["bytes_per_s"] = t.bytes / t.median_s;
  json["share_of_flops"] = share(t.flop / t.median_s, peaks.flop_per_s);
  json["share_of_copy"] = share(t.bytes / t.median_s, peaks.copy_bytes_per_s);
  return json;
}

void print_timing(const std::string& net, const Json& t) {
  const auto number = [&](const char* name) { return t.at(name).get<double>(); };
  const double spread = (number("max_s") - number("min_s")) / number("median_s");
  std::cout << std::left << std::setw(42) << net + "/" + t["step"].get<std::string>()
            << std::setw(10) << t["pass"].get<std::string>() << std::right << std::fixed
            << std::setprecision(4) << std::setw(10) << 1e3 * number("median_s")
            << std::setprecision(0) << std::setw(8) << 100 * spread << " %" << std::setprecision(3)
            << std::setw(11) << 1e-12 * number("flop_per_s") << std::setprecision(0) << std::setw(6)
            << 100 * number("share_of_flops") << " %" << std::setprecision(1) << std::setw(9)
            << 1e-9 * number("bytes_per_s") << std::setprecision(0) << std::setw(6)
            << 100 * number("share_of_copy") << " %  " << t["implementation"].get<std::string>();
  if (const auto other = t.find("against"); other != t.end())
    std::cout << "; " << std::setprecision(2) << (*other)["ratio"].get<double>() << " "
              << (*other)["implementation"].get<std::string>();
  std::cout << std::endl;
}

// The wanted steps of a net on the implementations of `engine`.
std::vector<StepTiming> bench_engine(const Graph& graph, EngineChoice engine, bool train,
                                     const StepBenchOptions& options) {
  ExecutorOptions execution = resolve_execution();
  execution.training = train, execution.engine = engine;
  execution.join_siblings = false;  // one by one, as other engines and programs time them
  Executor executor(graph, execution);
  fill_params(executor, common().seed);
  fill_bench_input(executor);
  return bench_steps(executor, options);
}

// What another engine made of the same step; nothing where it has no such step or the same code.
void add_other(Json& step, std::span<const StepTiming> others) {
  const auto text = [&](const char* key) { return step[key].get<std::string>(); };
  const auto other = std::ranges::find_if(others, [&](const StepTiming& t) {
    return t.step == text("step") && t.pass == text("pass");
  });
  if (other == others.end() || other->implementation == text("implementation")) return;
  step["against"] = {{"implementation", other->implementation},
                     {"median_s", other->median_s},
                     {"ratio", other->median_s / step["median_s"].get<double>()}};
}

// --against, by default the library where the device has one.
std::string other_engine(const Arguments& a) {
  if (!a.against.empty()) return a.against;
  const std::string device = resolve_device();
  const bool gpu = device.starts_with("cu");
  return device == "cpu" || (gpu && missing_device("cudnn").empty()) ? "library" : "none";
}

// The wanted steps by that engine.
std::vector<StepTiming> bench_other(const Arguments& a, const Graph& graph, bool train,
                                    const StepBenchOptions& options) {
  const std::string name = other_engine(a);
  if (name == "none") return {};
  EngineChoice engine{};
  read_json(Json(name), engine, "--against");
  return bench_engine(graph, engine, train, options);
}

Json bench_one(const Arguments& a, const std::string& net, const DevicePeaks& peaks,
               const std::function<bool(const std::string&)>& wanted) {
  const std::int64_t batch = a.batch > 0 ? a.batch : study_batch(net);
  StepBenchOptions options{.runs = a.runs, .cold = !a.warm, .wanted = wanted, .found = {}};
  std::vector<StepTiming> others;
  Json steps = Json::array();
  const auto found = [&](const StepTiming& timing) {
    steps.push_back(timing_json(timing, peaks));
    add_other(steps.back(), others);
    if (!common().json) print_timing(net, steps.back());
  };
  if (a.mode == "relevance") {
    options.found = found;
    (void)bench_walk(*bench_analyzer(net, batch, a.rule), options);
  } else {
    const bool train = a.mode == "train";
    const Graph graph = build_graph(load_net(
        resolve_net(net), {.phase = train ? Phase::kTrain : Phase::kDeploy, .batch = batch}));
    others = bench_other(a, graph, train, options);
    options.found = found;
    (void)bench_engine(graph, resolve_execution().engine, train, options);
  }
  Json result = {{"net", net}, {"mode", a.mode}, {"batch", batch}, {"steps", steps}};
  if (a.mode == "relevance") result["rule"] = a.rule;
  return result;
}

std::function<bool(const std::string&)> filter_of(const Arguments& a) {
  try {
    return [expression = std::regex(a.filter)](const std::string& step) {
      return std::regex_search(step, expression);
    };
  } catch (const std::regex_error&) {
    throw Error(str("wrong value for --filter: '", a.filter, "', expected a regular expression"));
  }
}

void run(const Arguments& a) {
  const std::function<bool(const std::string&)> wanted = filter_of(a);
  require(a.mode != "relevance" || a.against.empty() || a.against == "none",
          "wrong value for --against: ", a.against, ", expected none for a walk");
  for (const std::string& net : split_list(a.nets)) (void)resolve_net(net);
  const std::shared_ptr<Device> device = open_device(resolve_device());
  const DevicePeaks peaks = measure_peaks(*device, resolve_execution().precision);
  Json result = {{"environment", environment(*device)},
                 {"copy_bytes_per_s", peaks.copy_bytes_per_s},
                 {"peak_flop_per_s", peaks.flop_per_s},
                 {"caches", a.warm ? "warm" : "cold"},
                 {"nets", Json::array()}};
  if (!common().json) print_header(peaks);
  std::size_t count = 0;
  for (const std::string& net : split_list(a.nets)) {
    result["nets"].push_back(bench_one(a, net, peaks, wanted));
    count += result["nets"].back()["steps"].size();
  }
  require(count > 0, "wrong value for --filter: '", a.filter, "' matches no step of ", a.nets);
  if (common().json) print_json(result);
}

}  // namespace

void add_bench_kernels_command(CLI::App& bench) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = bench.add_subcommand("kernels", "every step of the nets by itself");
  c->add_option("--nets", a->nets, "names in nets/ or files, comma separated")
      ->capture_default_str();
  c->add_option("--filter", a->filter, "only steps whose name matches this regular expression");
  c->add_option("--mode", a->mode, "forward | train (forward and backward) | relevance (a walk)")
      ->check(CLI::IsMember({"forward", "train", "relevance"}))
      ->capture_default_str();
  c->add_option("--rule", a->rule, "rule of --mode relevance")->capture_default_str();
  c->add_option("--batch", a->batch, "images at once; 0: as the study trains (50, 50, 32, 10)")
      ->check(CLI::Range(0, 65536))
      ->capture_default_str();
  c->add_option("--runs", a->runs, "timed runs of each step")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  c->add_option(
       "--against", a->against,
       "time the same steps by another engine, too (default: library, where the device has one)")
      ->check(CLI::IsMember({"library", "own", "ordered", "auto", "none"}));
  c->add_flag("--warm", a->warm, "leave caches as the run before left them");
  c->footer("Example: fovea bench kernels --nets caffenet --filter '^conv' --json > now.json");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
