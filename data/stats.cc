#include "data/stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <set>

#include "data/parallel.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

constexpr std::size_t kMaxListedClasses = 64;

struct ChannelSums {
  std::uint64_t count = 0, sum = 0, squares = 0;
};

Json label_counts(const LabelColumn& column, const std::vector<std::uint32_t>& records) {
  std::vector<std::int64_t> counts(column.classes.size() + 1);  // the last one: missing
  for (const std::uint32_t record : records) {
    const std::int32_t value = column.values[record];
    ++counts[value == kMissing ? column.classes.size() : static_cast<std::size_t>(value)];
  }
  if (column.classes.size() > kMaxListedClasses) {
    const auto occurring = std::count_if(counts.begin(), counts.end() - 1,
                                         [](std::int64_t count) { return count > 0; });
    return {{"classes", occurring}, {"missing", counts.back()}};
  }
  Json result = Json::object();
  for (std::size_t k = 0; k < column.classes.size(); ++k) {
    result[std::string(column.classes[k])] = counts[k];
  }
  result["missing"] = counts.back();
  return result;
}

Json fold_counts(const Store& store, const LabelColumn& folds,
                 const std::vector<std::uint32_t>& records) {
  std::map<std::int32_t, std::vector<std::uint32_t>> by_fold;
  for (const std::uint32_t record : records) {
    if (folds.values[record] != kMissing) by_fold[folds.values[record]].push_back(record);
  }
  Json result = Json::object();
  for (const auto& [fold, members] : by_fold) {
    Json& counts = result[std::string(folds.classes[static_cast<std::size_t>(fold)])];
    counts["records"] = members.size();
    for (const LabelColumn& column : store.columns()) {
      if (&column == &folds) continue;
      counts[std::string(column.name)] = label_counts(column, members);
    }
  }
  return result;
}

Json subject_counts(const LabelColumn& subjects, const std::vector<std::uint32_t>& records) {
  std::vector<std::int64_t> counts(subjects.classes.size());
  for (const std::uint32_t record : records) {
    if (subjects.values[record] != kMissing) {
      ++counts[static_cast<std::size_t>(subjects.values[record])];
    }
  }
  std::vector<std::size_t> order;
  std::int64_t total = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    total += counts[k];
    if (counts[k] > 0) order.push_back(k);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  if (order.empty()) return {{"count", 0}};
  Json examples = Json::array();
  for (std::size_t i = 0; i < std::min<std::size_t>(5, order.size()); ++i) {
    examples.push_back(Json::array({subjects.classes[order[i]], counts[order[i]]}));
  }
  return {{"count", order.size()},
          {"most", counts[order.front()]},
          {"fewest", counts[order.back()]},
          {"mean", static_cast<double>(total) / static_cast<double>(order.size())},
          {"examples", examples}};
}

// By channel: grey, or blue, green, red. Sums of integers, so that threads do not change them.
std::array<ChannelSums, 3> channel_sums(const Store& store,
                                        const std::vector<std::uint32_t>& records, int threads) {
  std::array<ChannelSums, 3> total;
  std::mutex mutex;
  parallel_for(static_cast<std::int64_t>(records.size()), threads, [&](std::int64_t i) {
    std::vector<std::uint8_t> scratch;
    const std::uint32_t record = records[static_cast<std::size_t>(i)];
    const RecordInfo info = store.record(record);
    if (info.encoding == Encoding::kFloat || info.channels > 3) return;  // no picture
    const auto planes = store.planes(record, scratch);
    const auto channels = static_cast<std::size_t>(store.record(record).channels);
    const std::size_t area = planes.size() / channels;
    std::array<ChannelSums, 3> part;
    for (std::size_t c = 0; c < channels; ++c) {
      for (const std::uint32_t pixel : planes.subspan(c * area, area)) {
        part[c].sum += pixel, part[c].squares += pixel * pixel;
      }
      part[c].count = area;
    }
    const std::lock_guard lock(mutex);
    for (std::size_t c = 0; c < 3; ++c) {
      total[c].count += part[c].count;
      total[c].sum += part[c].sum;
      total[c].squares += part[c].squares;
    }
  });
  return total;
}

}  // namespace

Json store_stats(const Store& store, const View* view, int threads) {
  std::vector<std::uint32_t> records(store.size());
  std::iota(records.begin(), records.end(), 0U);
  if (view != nullptr) records = view->records;
  const std::set<std::uint32_t> distinct(records.begin(), records.end());
  std::uint64_t bytes = 0;
  for (const std::uint32_t record : distinct) bytes += store.record(record).payload_size;

  Json result{{"records", records.size()}, {"distinct", distinct.size()}, {"bytes", bytes}};
  for (const LabelColumn& column : store.columns()) {
    result["labels"][std::string(column.name)] = label_counts(column, records);
  }
  if (const int folds = store.find_column("fold"); folds >= 0) {
    result["folds"] = fold_counts(store, store.columns()[static_cast<std::size_t>(folds)], records);
  }
  if (const int subjects = store.find_column("subject"); subjects >= 0) {
    result["subjects"] =
        subject_counts(store.columns()[static_cast<std::size_t>(subjects)], records);
  }
  const auto sums = channel_sums(store, records, threads);
  const bool grey = sums[1].count == 0;
  constexpr const char* kNames[] = {"blue", "green", "red"};
  for (std::size_t c = 0; c < 3 && sums[c].count > 0; ++c) {
    const auto n = static_cast<double>(sums[c].count);
    const double mean = static_cast<double>(sums[c].sum) / n;
    const double variance = static_cast<double>(sums[c].squares) / n - mean * mean;
    result["channels"][grey ? "grey" : kNames[c]] = {{"mean", mean},
                                                     {"std", std::sqrt(std::max(variance, 0.0))}};
  }
  return result;
}

}  // namespace fovea
