#include "data/split.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/core/error.h"
#include "engine/core/random.h"

namespace fovea {
namespace {

struct Group {
  std::vector<std::uint32_t> records;
  std::vector<double> counts;  // by class
};

std::vector<Group> groups_of(const LabelColumn& label, const LabelColumn* group,
                             std::span<const std::uint32_t> records) {
  std::vector<Group> groups;
  std::map<std::int32_t, std::size_t> known;
  for (const std::uint32_t record : records) {
    if (label.values[record] == kMissing) continue;
    const std::int32_t value = group == nullptr ? kMissing : group->values[record];
    std::size_t number = groups.size();
    if (value != kMissing) number = known.emplace(value, number).first->second;
    if (number == groups.size()) groups.push_back({{}, std::vector<double>(label.classes.size())});
    groups[number].records.push_back(record);
    ++groups[number].counts[static_cast<std::size_t>(label.values[record])];
  }
  return groups;
}

// Sum over classes of the variance between folds of the class's share in each fold: what the deal
// keeps small.
double imbalance(const std::vector<std::vector<double>>& folds, const std::vector<double>& totals) {
  double sum = 0;
  for (std::size_t k = 0; k < totals.size(); ++k) {
    if (totals[k] == 0) continue;
    double mean = 0, squares = 0;
    for (const auto& fold : folds) mean += fold[k] / totals[k];
    mean /= static_cast<double>(folds.size());
    for (const auto& fold : folds) {
      const double difference = fold[k] / totals[k] - mean;
      squares += difference * difference;
    }
    sum += squares;
  }
  return sum;
}

}  // namespace

std::vector<int> deal_folds(const LabelColumn& label, const LabelColumn* group,
                            std::span<const std::uint32_t> records, int folds, std::uint64_t seed,
                            const std::string& what) {
  const std::vector<Group> groups = groups_of(label, group, records);
  require(folds >= 2, what, ": ", folds, ", expected at least 2");
  require(groups.size() >= static_cast<std::size_t>(folds), what, ": ", folds, " parts of ",
          groups.size(), " groups by ", group == nullptr ? "record" : group->name,
          ", expected at most one for each group");
  std::vector<std::uint32_t> order(groups.size());
  std::iota(order.begin(), order.end(), 0U);
  random_shuffle<std::uint32_t>({.seed = seed, .purpose = RandomPurpose::kSplit}, order);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return groups[a].records.size() > groups[b].records.size();
  });
  std::vector<double> totals(label.classes.size());
  for (const Group& g : groups) {
    for (std::size_t k = 0; k < totals.size(); ++k) totals[k] += g.counts[k];
  }
  std::vector<std::vector<double>> dealt(static_cast<std::size_t>(folds),
                                         std::vector<double>(totals.size()));
  std::vector<std::size_t> sizes(dealt.size());
  std::vector<int> fold_of(label.values.size(), -1);
  for (const std::uint32_t number : order) {
    const Group& g = groups[number];
    std::size_t best = 0;
    double least = 0;
    for (std::size_t fold = 0; fold < dealt.size(); ++fold) {
      for (std::size_t k = 0; k < totals.size(); ++k) dealt[fold][k] += g.counts[k];
      const double now = imbalance(dealt, totals);
      for (std::size_t k = 0; k < totals.size(); ++k) dealt[fold][k] -= g.counts[k];
      // Of equal ones the smaller fold.
      if (fold == 0 || now < least || (now == least && sizes[fold] < sizes[best])) {
        best = fold, least = now;
      }
    }
    for (std::size_t k = 0; k < totals.size(); ++k) dealt[best][k] += g.counts[k];
    sizes[best] += g.records.size();
    for (const std::uint32_t record : g.records) fold_of[record] = static_cast<int>(best);
  }
  return fold_of;
}

std::vector<std::string> split_store(const std::filesystem::path& path,
                                     const SplitOptions& options) {
  const Store store(path);
  const LabelColumn& label = store.column(options.label);
  const LabelColumn* group = options.group.empty() ? nullptr : &store.column(options.group);
  std::vector<std::uint32_t> all(store.size());
  std::iota(all.begin(), all.end(), 0U);
  const std::vector<int> fold_of = deal_folds(label, group, all, options.folds, options.seed,
                                              str("--folds for ", path.string()));

  std::vector<ColumnSpec> columns;
  for (const LabelColumn& column : store.columns()) {
    columns.push_back({std::string(column.name), {column.classes.begin(), column.classes.end()}});
  }
  StoreWriter writer(store, columns);
  for (const View& view : store.views()) writer.add_view_of(store, view);
  std::vector<std::string> names;
  for (int fold = 0; fold < options.folds; ++fold) {
    std::vector<std::uint32_t> test, others;
    for (const std::uint32_t record : all) {
      if (fold_of[record] >= 0) (fold_of[record] == fold ? test : others).push_back(record);
    }
    std::vector<int> part(store.size(), 1);
    if (options.validation > 0) {
      part = deal_folds(label, group, others, options.validation,
                        options.seed + 1 + static_cast<std::uint64_t>(fold),
                        str("--val for ", path.string(), " (0: none)"));
    }
    std::vector<std::uint32_t> train, val;
    for (const std::uint32_t record : others) (part[record] == 0 ? val : train).push_back(record);
    const auto add = [&](const char* split, const std::vector<std::uint32_t>& records) {
      names.push_back(str(options.label, "/", options.name, "/fold", fold, "/", split));
      writer.add_view(names.back(), options.label, records,
                      {{"alignment", options.name},
                       {"fold", fold},
                       {"split", split},
                       {"source", "fovea data split"},
                       {"by", options.group},
                       {"seed", options.seed}});
    };
    add("train", train);
    if (options.validation > 0) add("val", val);
    add("test", test);
  }
  writer.commit(store.metadata());
  return names;
}

}  // namespace fovea
