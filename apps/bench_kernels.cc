// `fovea bench kernels`: every step of the nets by itself, beside what the device could do.
#include <omp.h>

#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/backend/registry.h"
#include "engine/bench/step_bench.h"
#include "engine/core/json_fields.h"
#include "engine/core/split_list.h"
#include "engine/train/filler.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string nets = "adiencenet,caffenet,googlenet,vgg16", mode = "train", filter = "*";
  std::int64_t batch = 0;
  int runs = 20;
  bool warm = false;
};

// As the study trains them.
std::int64_t study_batch(const std::string& net) {
  if (net == "googlenet") return 32;
  return net == "vgg16" ? 10 : 50;
}

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
            << std::left << std::setw(42) << "step" << std::setw(9) << "pass" << std::setw(24)
            << "implementation" << std::right << std::setw(10) << "ms" << std::setw(10) << "spread"
            << std::setw(11) << "TFLOP/s" << std::setw(8) << "share" << std::setw(9) << "GB/s"
            << std::setw(8) << "share" << '\n';
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
            << std::setw(9) << t["pass"].get<std::string>() << std::setw(24)
            << t["implementation"].get<std::string>() << std::right << std::fixed
            << std::setprecision(4) << std::setw(10) << 1e3 * number("median_s")
            << std::setprecision(0) << std::setw(8) << 100 * spread << " %" << std::setprecision(3)
            << std::setw(11) << 1e-12 * number("flop_per_s") << std::setprecision(0) << std::setw(6)
            << 100 * number("share_of_flops") << " %" << std::setw(9)
            << 1e-9 * number("bytes_per_s") << std::setw(6) << 100 * number("share_of_copy")
            << " %\n"
            << std::flush;
}

Json bench_one(const Arguments& a, const std::string& net, const DevicePeaks& peaks) {
  const bool train = a.mode == "train";
  const std::int64_t batch = a.batch > 0 ? a.batch : study_batch(net);
  ExecutorOptions execution = resolve_execution();
  execution.training = train;
  Executor executor(
      build_graph(load_net(resolve_net(net),
                           {.phase = train ? Phase::kTrain : Phase::kDeploy, .batch = batch})),
      execution);
  fill_params(executor, common().seed);
  const TensorView<float> x = executor.input("data");
  for (std::int64_t i = 0; i < x.count(); ++i) x.data[i] = static_cast<float>(i * 31 % 255) - 127;
  Json steps = Json::array();
  StepBenchOptions options{.runs = a.runs, .cold = !a.warm, .steps = a.filter, .found = {}};
  options.found = [&](const StepTiming& timing) {
    steps.push_back(timing_json(timing, peaks));
    if (!common().json) print_timing(net, steps.back());
  };
  (void)bench_steps(executor, options);
  return {{"net", net}, {"mode", a.mode}, {"batch", batch}, {"steps", steps}};
}

void run(const Arguments& a) {
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
    result["nets"].push_back(bench_one(a, net, peaks));
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
  c->add_option("--filter", a->filter, "only steps of this name, with * and ?")
      ->capture_default_str();
  c->add_option("--mode", a->mode, "forward | train (forward and backward)")
      ->check(CLI::IsMember({"forward", "train"}))
      ->capture_default_str();
  c->add_option("--batch", a->batch, "images at once; 0: as the study trains (50, 50, 32, 10)")
      ->check(CLI::Range(0, 65536))
      ->capture_default_str();
  c->add_option("--runs", a->runs, "timed runs of each step")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  c->add_flag("--warm", a->warm, "leave caches as the run before left them");
  c->footer("Example: fovea bench kernels --nets caffenet --filter 'conv*' --json > now.json");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
