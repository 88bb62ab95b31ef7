#include "data/audit.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <unordered_map>

#include "data/parallel.h"
#include "engine/core/crc32c.h"
#include "engine/core/error.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

constexpr std::size_t kExamples = 10;
constexpr int kFlatBits = 4;

using Pair = std::pair<std::uint32_t, std::uint32_t>;

struct Print {
  std::uint64_t hash = 0;
  std::uint64_t pixels = 0;  // two checksums of the decoded pixels and their size
};

std::vector<Print> prints_of(const Store& store, const AuditOptions& options) {
  std::vector<Print> prints(store.size());
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(store.size(), options.threads, [&](std::int64_t i) {
    const auto number = static_cast<std::uint32_t>(i);
    const RecordInfo info = store.record(number);
    const bool is_image =
        info.encoding != Encoding::kFloat && (info.channels == 1 || info.channels == 3);
    const std::vector<float> values = store.values(number);
    const std::size_t bytes = values.size() * sizeof(float);
    const std::uint32_t first = crc32c(values.data(), bytes);
    const std::uint64_t size[] = {static_cast<std::uint64_t>(info.height) << 32 |
                                  static_cast<std::uint64_t>(info.width)};
    Print& print = prints[static_cast<std::size_t>(i)];
    print.pixels = std::uint64_t{first} << 32 | crc32c(size, sizeof size, first ^ 0x5A5A5A5AU);
    if (is_image) print.hash = difference_hash(store.image(number));
    const std::lock_guard lock(mutex);
    if (++done % 256 == 0 && options.progress) options.progress(done, store.size());
  });
  return prints;
}

std::vector<Pair> exact_pairs(const Store& store, const std::vector<Print>& prints) {
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_pixels;
  for (std::uint32_t i = 0; i < prints.size(); ++i) by_pixels[prints[i].pixels].push_back(i);
  std::vector<Pair> pairs;
  for (const auto& [pixels, records] : by_pixels) {
    for (std::size_t k = 1; k < records.size(); ++k) {
      // With the first of its kind: n equal images are n - 1 pairs. Checksums may collide.
      if (store.values(records[0]) == store.values(records[k])) {
        pairs.emplace_back(records[0], records[k]);
      }
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

// Pairs of hashes at a distance of at most `max`: two such agree in one of max + 1 parts of the 64
// bits, so only records that share a part are compared.
std::vector<Pair> near_pairs(const std::vector<Print>& prints, int max) {
  std::set<Pair> pairs;
  const int parts = max + 1;
  for (int part = 0; part < parts; ++part) {
    const int begin = 64 * part / parts, end = 64 * (part + 1) / parts;
    const std::uint64_t mask =
        (end - begin == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (end - begin)) - 1) << begin;
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> buckets;
    for (std::uint32_t i = 0; i < prints.size(); ++i) {
      const int set = std::popcount(prints[i].hash);
      if (set >= kFlatBits && set <= 64 - kFlatBits) buckets[prints[i].hash & mask].push_back(i);
    }
    for (const auto& [bits, records] : buckets) {
      for (std::size_t a = 0; a < records.size(); ++a) {
        for (std::size_t b = a + 1; b < records.size(); ++b) {
          const Print &x = prints[records[a]], &y = prints[records[b]];
          if (std::popcount(x.hash ^ y.hash) <= max && x.pixels != y.pixels) {
            pairs.emplace(records[a], records[b]);
          }
        }
      }
    }
  }
  return {pairs.begin(), pairs.end()};
}

// The views of one fold, by split.
struct Fold {
  std::map<std::string, const View*> splits;
};

std::map<std::string, Fold> folds_of(const Store& store) {
  std::map<std::string, Fold> folds;
  for (const View& view : store.views()) {
    const auto slash = view.name.rfind('/');
    if (slash == std::string_view::npos) continue;
    folds[std::string(view.name.substr(0, slash))]
        .splits[std::string(view.name.substr(slash + 1))] = &view;
  }
  return folds;
}

std::set<std::int32_t> values_in(const LabelColumn& column, const View& view) {
  std::set<std::int32_t> values;
  for (const std::uint32_t record : view.records) values.insert(column.values[record]);
  values.erase(kMissing);
  return values;
}

template <class T>
std::size_t shared(const std::set<T>& a, const std::set<T>& b) {
  return static_cast<std::size_t>(
      std::count_if(a.begin(), a.end(), [&](const T& value) { return b.contains(value); }));
}

// "class_skew": largest class of the view over the smallest; null where one is absent, which
// "absent_classes" then names.
void add_skew(const LabelColumn& column, const View& view, Json& fold) {
  std::vector<double> counts(column.classes.size());
  for (const std::uint32_t record : view.records) {
    if (column.values[record] != kMissing) {
      ++counts[static_cast<std::size_t>(column.values[record])];
    }
  }
  Json absent = Json::array();
  for (std::size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] == 0) absent.push_back(column.classes[k]);
  }
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  fold["class_skew"] = counts.empty() || *least == 0 ? Json(nullptr) : Json(*most / *least);
  fold["absent_classes"] = absent;
}

// A number for every record; duplicates, also by way of others, share it.
std::vector<std::uint32_t> duplicate_groups(std::uint32_t records, const std::vector<Pair>& pairs) {
  std::vector<std::uint32_t> parent(records);
  std::iota(parent.begin(), parent.end(), 0U);
  const auto root = [&](std::uint32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (const auto& [a, b] : pairs) parent[root(b)] = root(a);
  for (std::uint32_t i = 0; i < records; ++i) parent[i] = root(i);
  return parent;
}

// How many records of `other` have a duplicate in `train` that is not themselves.
std::int64_t duplicates_in(const std::set<std::uint32_t>& other,
                           const std::set<std::uint32_t>& train,
                           const std::vector<std::uint32_t>& group) {
  std::set<std::uint32_t> groups;
  for (const std::uint32_t record : train) groups.insert(group[record]);
  return std::count_if(other.begin(), other.end(), [&](std::uint32_t record) {
    return !train.contains(record) && groups.contains(group[record]);
  });
}

Json fold_json(const Store& store, const std::string& name, const Fold& fold,
               const std::vector<std::uint32_t>& duplicate_group) {
  Json result{{"fold", name}};
  for (const auto& [split, view] : fold.splits) result[split] = view->records.size();
  const int subject = store.find_column("subject");
  const auto find = [&](const char* split) -> const View* {
    const auto entry = fold.splits.find(split);
    return entry == fold.splits.end() ? nullptr : entry->second;
  };
  const View* train = find("train");
  if (train == nullptr) return result;
  const std::set<std::uint32_t> in_train(train->records.begin(), train->records.end());
  for (const char* split : {"val", "test"}) {
    const View* other = find(split);
    if (other == nullptr) continue;
    const std::string both = str("train_", split);
    const std::set<std::uint32_t> in_other(other->records.begin(), other->records.end());
    result["shared_images"][both] = shared(in_train, in_other);
    result["shared_duplicates"][both] = duplicates_in(in_other, in_train, duplicate_group);
    if (subject < 0) continue;
    const LabelColumn& people = store.columns()[static_cast<std::size_t>(subject)];
    const auto theirs = values_in(people, *other);
    result["subjects"][split] = theirs.size();
    result["shared_subjects"][both] = shared(theirs, values_in(people, *train));
  }
  if (train->target >= 0) {
    add_skew(store.columns()[static_cast<std::size_t>(train->target)], *train, result);
  }
  return result;
}

Json protocol(const Json& folds) {
  Json sentences = Json::array();
  std::int64_t of_val = 0, in_train = 0, of_test = 0, test_in_train = 0;
  for (const Json& fold : folds) {
    if (!fold.contains("shared_subjects")) continue;
    const Json& both = fold["shared_subjects"];
    if (both.contains("train_val")) {
      of_val += fold["subjects"]["val"].get<std::int64_t>();
      in_train += both["train_val"].get<std::int64_t>();
    }
    if (both.contains("train_test")) {
      of_test += fold["subjects"]["test"].get<std::int64_t>();
      test_in_train += both["train_test"].get<std::int64_t>();
    }
  }
  if (of_val > 0) {
    sentences.push_back(
        in_train == 0 ? str("Validation is of people that training has not seen.")
                      : str("Validation is not of new people: of ", of_val,
                            " subjects in val views, ", in_train,
                            " are also in train, so its accuracy is that on known people; --val "
                            "subject-exclusive draws an honest one."));
  }
  if (of_test > 0) {
    sentences.push_back(test_in_train == 0
                            ? str("Test is of people that training has not seen.")
                            : str("Test shares ", test_in_train, " of ", of_test,
                                  " subjects with train: its accuracy is too high."));
  }
  sentences.push_back(
      "The study's script scores its 'centre' crop at the bottom right; `fovea eval --crops "
      "legacy-single` repeats that, `center` is the true centre.");
  return sentences;
}

}  // namespace

std::uint64_t difference_hash(const Image& image) {
  constexpr int kRows = 8, kColumns = 9;
  double cells[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      // At least one pixel, also of images smaller than the grid.
      const int top = r * image.height / kRows, left = c * image.width / kColumns;
      const int bottom = std::max(top + 1, (r + 1) * image.height / kRows);
      const int right = std::max(left + 1, (c + 1) * image.width / kColumns);
      double sum = 0;
      for (int y = top; y < bottom; ++y) {
        const auto* pixel = image.pixels.data() +
                            (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) +
                             static_cast<std::size_t>(left)) *
                                static_cast<std::size_t>(image.channels);
        for (int i = 0; i < (right - left) * image.channels; ++i) sum += pixel[i];
      }
      cells[r][c] = sum / ((bottom - top) * (right - left));
    }
  }
  std::uint64_t hash = 0;
  for (const auto& row : cells) {
    for (int c = 0; c + 1 < kColumns; ++c) hash = hash << 1 | (row[c] < row[c + 1] ? 1 : 0);
  }
  return hash;
}

Json audit_store(const Store& store, const AuditOptions& options) {
  const std::vector<Print> prints = prints_of(store, options);
  const std::vector<Pair> exact = exact_pairs(store, prints);
  const std::vector<Pair> near = near_pairs(prints, options.max_distance);
  const auto name_pair = [&](const Pair& pair) {
    return Json{store.record(pair.first).source, store.record(pair.second).source};
  };
  Json examples{{"exact_duplicates", Json::array()},
                {"near_duplicates", Json::array()},
                {"label_conflicts", Json::array()}};
  for (std::size_t i = 0; i < std::min(kExamples, exact.size()); ++i) {
    examples["exact_duplicates"].push_back(name_pair(exact[i]));
  }
  for (std::size_t i = 0; i < std::min(kExamples, near.size()); ++i) {
    examples["near_duplicates"].push_back(name_pair(near[i]));
  }
  std::set<int> targets;
  for (const View& view : store.views()) targets.insert(view.target);
  targets.erase(-1);
  std::int64_t conflicts = 0;
  for (const Pair& pair : exact) {
    for (const int target : targets) {
      const LabelColumn& column = store.columns()[static_cast<std::size_t>(target)];
      const std::int32_t a = column.values[pair.first], b = column.values[pair.second];
      if (a == b || a == kMissing || b == kMissing) continue;
      if (++conflicts <= static_cast<std::int64_t>(kExamples)) {
        Json example = name_pair(pair);
        example.push_back(column.classes[static_cast<std::size_t>(a)]);
        example.push_back(column.classes[static_cast<std::size_t>(b)]);
        examples["label_conflicts"].push_back(example);
      }
    }
  }
  std::vector<Pair> duplicates = exact;
  duplicates.insert(duplicates.end(), near.begin(), near.end());
  Json folds = Json::array();
  const std::vector<std::uint32_t> groups = duplicate_groups(store.size(), duplicates);
  for (const auto& [name, fold] : folds_of(store)) {
    folds.push_back(fold_json(store, name, fold, groups));
  }
  return {{"records", store.size()},
          {"exact_duplicates", exact.size()},
          {"near_duplicates", near.size()},
          {"label_conflicts", conflicts},
          {"views", folds},
          {"protocol", protocol(folds)},
          {"examples", examples}};
}

}  // namespace fovea
