#include "data/diff.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "data/parallel.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

constexpr std::size_t kExamples = 5;

// The differences of one kind.
struct Found {
  std::int64_t count = 0;
  Json examples = Json::array();

  void add(const Json& example) {
    if (++count <= static_cast<std::int64_t>(kExamples)) examples.push_back(example);
  }
};

using Key = std::pair<std::string_view, int>;  // source, and which of equal ones

std::map<Key, std::uint32_t> records_by_key(const Store& store) {
  std::map<std::string_view, int> seen;
  std::map<Key, std::uint32_t> records;
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const std::string_view source = store.record(i).source;
    records.emplace(Key{source, seen[source]++}, i);
  }
  return records;
}

std::string_view label_name(const LabelColumn& column, std::uint32_t record) {
  const std::int32_t value = column.values[record];
  return value == kMissing ? "missing" : column.classes[static_cast<std::size_t>(value)];
}

// "age: (0, 2), (4, 6)", or nothing.
std::string label_difference(const Store& a, std::uint32_t i, const Store& b, std::uint32_t j) {
  std::set<std::string_view> names;
  for (const LabelColumn& column : a.columns()) names.insert(column.name);
  for (const LabelColumn& column : b.columns()) names.insert(column.name);
  for (const std::string_view name : names) {
    const int in_a = a.find_column(name), in_b = b.find_column(name);
    const auto value = [](const Store& store, int column, std::uint32_t record) {
      return column < 0 ? std::string_view("missing")
                        : label_name(store.columns()[static_cast<std::size_t>(column)], record);
    };
    const auto left = value(a, in_a, i), right = value(b, in_b, j);
    if (left != right) return str(name, ": ", left, ", ", right);
  }
  return "";
}

std::vector<std::string_view> sources_of(const Store& store, const View& view) {
  std::vector<std::string_view> sources;
  for (const std::uint32_t record : view.records) sources.push_back(store.record(record).source);
  return sources;
}

bool same_pixels(const Store& a, std::uint32_t i, const Store& b, std::uint32_t j) {
  const RecordInfo left = a.record(i), right = b.record(j);
  return left.channels == right.channels && left.height == right.height &&
         left.width == right.width && a.values(i) == b.values(j);
}

}  // namespace

Json diff_stores(const Store& a, const Store& b, int threads) {
  const auto in_a = records_by_key(a), in_b = records_by_key(b);
  Found only_a, only_b, pixels, labels, views;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> both;
  for (const auto& [key, i] : in_a) {
    const auto match = in_b.find(key);
    if (match == in_b.end()) {
      only_a.add(key.first);
    } else {
      both.emplace_back(i, match->second);
    }
  }
  for (const auto& [key, j] : in_b) {
    if (!in_a.contains(key)) only_b.add(key.first);
  }
  std::vector<std::uint8_t> differs(both.size());
  parallel_for(static_cast<std::int64_t>(both.size()), threads, [&](std::int64_t n) {
    const auto k = static_cast<std::size_t>(n);
    differs[k] = !same_pixels(a, both[k].first, b, both[k].second);
  });
  for (std::size_t k = 0; k < both.size(); ++k) {
    const std::string_view source = a.record(both[k].first).source;
    if (differs[k] != 0) pixels.add(source);
    const std::string label = label_difference(a, both[k].first, b, both[k].second);
    if (!label.empty()) labels.add(str(source, ": ", label));
  }
  std::map<std::string_view, const View*> views_b;
  for (const View& view : b.views()) views_b.emplace(view.name, &view);
  for (const View& view : a.views()) {
    const auto match = views_b.find(view.name);
    if (match == views_b.end()) {
      views.add(str(view.name, ": only in the first"));
      continue;
    }
    if (sources_of(a, view) != sources_of(b, *match->second)) {
      views.add(str(view.name, ": other records"));
    }
    views_b.erase(match);
  }
  for (const auto& [name, view] : views_b) views.add(str(name, ": only in the second"));
  const bool equal = only_a.count + only_b.count + pixels.count + labels.count + views.count == 0;
  return {{"equal", equal},
          {"only_in_a", only_a.count},
          {"only_in_b", only_b.count},
          {"pixels", pixels.count},
          {"labels", labels.count},
          {"views", views.count},
          {"examples",
           {{"only_in_a", only_a.examples},
            {"only_in_b", only_b.examples},
            {"pixels", pixels.examples},
            {"labels", labels.examples},
            {"views", views.examples}}}};
}

}  // namespace fovea
