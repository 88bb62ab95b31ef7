// `fovea bench data`: records per second of a store, read in order, shuffled, and as training reads
// it.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <numeric>

#include "apps/common.h"
#include "apps/median.h"
#include "data/batch_source.h"
#include "data/loader.h"
#include "data/parallel.h"
#include "data/store.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string store, view;
  int crop = 227, batch = 32;
  double seconds = 2;
};

// Sums every byte, so that a record was really read and not only found.
std::uint64_t touch(std::span<const std::uint8_t> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
}

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Case {
  std::string name;
  std::function<std::int64_t()> run;  // one round; returns how many records
  std::vector<double> rates = {};
};

// Rounds of all cases in turn, so that a slow moment of the machine falls on each of them.
void measure(std::vector<Case>& cases, double seconds) {
  const auto start = Clock::now();
  for (int round = 0; round < 3 || seconds_since(start) < seconds; ++round) {
    for (Case& c : cases) {
      const auto begin = Clock::now();
      const std::int64_t records = c.run();
      if (round > 0) c.rates.push_back(static_cast<double>(records) / seconds_since(begin));
    }
  }
}

void run(const Arguments& a) {
  const Store store(a.store);
  std::vector<std::uint32_t> in_order(store.size());
  std::iota(in_order.begin(), in_order.end(), 0U);
  if (!a.view.empty()) in_order = store.view(a.view).records;
  require(!in_order.empty(), "no records in ", a.store, ", expected at least one");
  std::vector<std::uint32_t> shuffled;
  for (const std::uint32_t i : epoch_order(common().seed, 0, in_order.size())) {
    shuffled.push_back(in_order[i]);
  }
  volatile std::uint64_t sink = 0;
  const auto read = [&](const std::vector<std::uint32_t>& records) {
    std::uint64_t sum = 0;
    for (const std::uint32_t record : records) sum += touch(store.payload(record));
    sink = sink + sum;
    return static_cast<std::int64_t>(records.size());
  };
  std::vector<Case> cases;
  cases.push_back({"sequential", [&] { return read(in_order); }});
  cases.push_back({"shuffled", [&] { return read(shuffled); }});
  cases.push_back({"decoded", [&] {
                     parallel_for(static_cast<std::int64_t>(shuffled.size()), common().threads,
                                  [&](std::int64_t i) {
                                    thread_local std::vector<std::uint8_t> scratch;
                                    (void)store.planes(shuffled[static_cast<std::size_t>(i)],
                                                       scratch);
                                  });
                     return static_cast<std::int64_t>(shuffled.size());
                   }});
  const View* view = nullptr;
  for (const View& v : store.views()) {
    if (v.target >= 0 && !v.records.empty() && (a.view.empty() || v.name == a.view)) {
      view = view == nullptr ? &v : view;
    }
  }
  if (view != nullptr) {
    const RecordInfo first = store.record(view->records.front());
    const int threads = thread_count(common().threads);
    LoaderOptions options{.view = std::string(view->name), .batch = a.batch};
    options.transform.crop = std::min({a.crop, first.height, first.width});
    options.transform.mean = Tensor<float>(Shape{first.channels, first.height, first.width}, 100.F);
    options.crops = Crops::kRandom, options.mirror = true;
    options.sampling = Sampling::kShuffle;
    options.threads = threads, options.prefetch = 2 * threads;
    // A new loader each time: what one had read ahead while the others ran would count for nothing.
    cases.push_back({"decoded + transformed", [&store, options] {
                       Loader loader(store, options);
                       const std::int64_t batches =
                           std::min<std::int64_t>(loader.source().batches_per_epoch(), 128);
                       for (std::int64_t i = 0; i < batches; ++i) (void)loader.next();
                       return batches * options.batch;
                     }});
  }
  measure(cases, a.seconds);

  Json result{{"records", in_order.size()}, {"bytes", store.total_bytes()}};
  if (!common().json) std::cout << in_order.size() << " records, records/s: median (min to max)\n";
  for (const Case& c : cases) {
    const auto [least, most] = std::minmax_element(c.rates.begin(), c.rates.end());
    result["records_per_s"][c.name] = {
        {"median", median(c.rates)}, {"min", *least}, {"max", *most}};
    if (common().json) continue;
    std::cout << std::left << std::setw(24) << c.name << std::right << std::fixed
              << std::setprecision(0) << std::setw(10) << median(c.rates) << "  (" << *least
              << " to " << *most << ")\n";
  }
  if (common().json) print_json(result);
}

}  // namespace

void add_bench_data_command(CLI::App& bench) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = bench.add_subcommand("data", "records per second of a store");
  command->add_option("STORE", a->store, "the store file")->required();
  command->add_option("--view", a->view, "only the records of this view");
  command->add_option("--crop", a->crop, "rows and columns of the training crop")
      ->check(CLI::Range(1, 32768))
      ->capture_default_str();
  command->add_option("--batch", a->batch, "records per batch")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--seconds", a->seconds, "at least so long")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command->footer("Example: fovea bench data faces.store --json");
  command->callback([a] { run(*a); });
}

}  // namespace fovea::apps
