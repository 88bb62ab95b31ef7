// `fovea bench compare A B`: two results of `fovea bench kernels`, step by step.
#include <cmath>
#include <iomanip>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

// "caffenet/train50/conv1+relu1/forward" -> seconds, and what its mean is taken over.
struct Entry {
  double seconds;
  std::string group;  // "convolution, forward"
};

std::map<std::string, Entry> read_entries(const std::string& path) {
  const Json result = read_json_file(path);
  require(result.is_object() && result.contains("nets"), "wrong file ", path,
          ": no list 'nets', expected the output of fovea bench kernels --json");
  std::map<std::string, Entry> entries;
  try {
    for (const Json& net : result.at("nets")) {
      const std::string place = str(net.at("net").get<std::string>(), "/",
                                    net.at("mode").get<std::string>(), net.at("batch").get<int>());
      for (const Json& step : net.at("steps")) {
        const auto pass = step.at("pass").get<std::string>();
        entries[str(place, "/", step.at("step").get<std::string>(), "/", pass)] = {
            step.at("median_s").get<double>(), str(step.at("op").get<std::string>(), ", ", pass)};
      }
    }
  } catch (const Json::exception& error) {
    throw Error(str("wrong file ", path, ": ", error.what(),
                    ", expected the output of fovea bench kernels --json"));
  }
  return entries;
}

struct Mean {
  double logarithms = 0;
  int count = 0;
  void add(double ratio) { logarithms += std::log(ratio), ++count; }
  [[nodiscard]] double value() const { return std::exp(logarithms / count); }
};

void compare(const std::string& a_path, const std::string& b_path) {
  const std::map<std::string, Entry> a = read_entries(a_path), b = read_entries(b_path);
  std::map<std::string, Mean> means;
  Json steps = Json::array();
  for (const auto& [name, first] : a) {
    const auto second = b.find(name);
    if (second == b.end()) continue;
    const double ratio = first.seconds / second->second.seconds;
    means[first.group].add(ratio);
    steps.push_back({{"step", name},
                     {"a_s", first.seconds},
                     {"b_s", second->second.seconds},
                     {"ratio", ratio}});
  }
  require(!steps.empty(), "nothing to compare: ", a_path, " and ", b_path, " share no step");
  Json groups = Json::array();
  for (const auto& [group, mean] : means)
    groups.push_back({{"group", group}, {"steps", mean.count}, {"ratio", mean.value()}});
  if (common().json)
    return print_json({{"a", a_path}, {"b", b_path}, {"steps", steps}, {"groups", groups}});
  std::cout << "ratio: how many times faster " << b_path << " is\n" << std::fixed;
  for (const Json& step : steps)
    std::cout << std::left << std::setw(56) << step["step"].get<std::string>() << std::right
              << std::setprecision(4) << std::setw(11) << 1e3 * step["a_s"].get<double>() << " ms"
              << std::setw(11) << 1e3 * step["b_s"].get<double>() << " ms" << std::setprecision(2)
              << std::setw(8) << step["ratio"].get<double>() << '\n';
  std::cout << "geometric means\n";
  for (const Json& group : groups)
    std::cout << std::left << std::setw(56) << group["group"].get<std::string>() << std::right
              << std::setw(5) << group["steps"].get<int>() << " steps" << std::setw(25)
              << group["ratio"].get<double>() << '\n';
}

}  // namespace

void add_bench_compare_command(CLI::App& bench) {
  struct Arguments {
    std::string a, b;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* c = bench.add_subcommand("compare", "two results of bench kernels, step by step");
  c->add_option("A", arguments->a, "JSON of fovea bench kernels")->required();
  c->add_option("B", arguments->b, "another")->required();
  c->footer("Example: fovea bench compare before.json after.json");
  c->callback([arguments] { compare(arguments->a, arguments->b); });
}

}  // namespace fovea::apps
