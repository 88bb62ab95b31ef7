// Records per second of a store and of an LMDB of the same records, side by side: in order and
// shuffled, from the page cache and from the disk.
//
//   fovea_lmdb_bench STORE LMDB [--seconds 3] [--cold-records 2000]
//
// LMDB = what `fovea data export-lmdb STORE --out LMDB` wrote. Every byte of every pixel or file is
// summed up, so that a record was read and not only found. "lmdb" finds the value and sums it up
// where it lies; "lmdb as caffe" copies it into a new string and from there into a Datum's that is
// used again, the least that Caffe's data reader does. Cold rounds drop the files from the page
// cache before each case and open them anew; a cold read of the store checks the record's checksum
// too, LMDB has none. Shuffled reads of the store announce a batch of records ahead, as training
// does; LMDB has no such call.
#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <numeric>

#include "apps/median.h"
#include "data/batch_source.h"
#include "data/store.h"
#include "engine/core/error.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::uint64_t sum_of(std::span<const std::uint8_t> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
}

std::span<const std::uint8_t> bytes_of(const MDB_val& value) {
  return {static_cast<const std::uint8_t*>(value.mv_data), value.mv_size};
}

void check(int code, const char* what) {
  require(code == MDB_SUCCESS, what, ": ", mdb_strerror(code));
}

// Opened as Caffe opens its databases.
class Lmdb {
 public:
  explicit Lmdb(const fs::path& folder) {
    check(mdb_env_create(&env_), "environment");
    check(mdb_env_open(env_, folder.c_str(), MDB_RDONLY | MDB_NOTLS | MDB_NOLOCK, 0444), "open");
    check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction_), "transaction");
    check(mdb_dbi_open(transaction_, nullptr, 0, &database_), "database");
  }
  ~Lmdb() {
    mdb_txn_abort(transaction_);
    mdb_env_close(env_);
  }
  Lmdb(const Lmdb&) = delete;
  Lmdb& operator=(const Lmdb&) = delete;

  [[nodiscard]] MDB_val get(const std::string& key) const {
    MDB_val wanted{key.size(), const_cast<char*>(key.data())}, value{};
    check(mdb_get(transaction_, database_, &wanted, &value), "get");
    return value;
  }

  // In the order of the keys, at most `count` records.
  void for_each(std::size_t count, const std::function<void(MDB_val key, MDB_val value)>& visit) {
    MDB_cursor* cursor = nullptr;
    check(mdb_cursor_open(transaction_, database_, &cursor), "cursor");
    MDB_val key{}, value{};
    for (std::size_t i = 0; i < count; ++i) {
      check(mdb_cursor_get(cursor, &key, &value, MDB_NEXT), "next");
      visit(key, value);
    }
    mdb_cursor_close(cursor);
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_txn* transaction_ = nullptr;
  MDB_dbi database_ = 0;
};

void drop_from_cache(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(file >= 0, "cannot open ", path.string());
  ::fsync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

struct Case {
  std::string name;
  std::function<std::size_t()> run;  // how many records
  std::vector<double> rates = {};
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(std::vector<Case>& cases, double seconds, bool first_counts) {
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 4 || seconds_since(start) < seconds; ++round) {
    for (Case& c : cases) {
      const auto begin = std::chrono::steady_clock::now();
      const auto records = static_cast<double>(c.run());
      if (round > 0 || first_counts) c.rates.push_back(records / seconds_since(begin));
    }
  }
}

struct Arguments {
  fs::path store, lmdb;
  double seconds = 3;
  std::size_t cold_records = 2000;
};

class Comparison {
 public:
  explicit Comparison(const Arguments& arguments) : a_(arguments) {
    const Store store(a_.store);
    Lmdb(a_.lmdb).for_each(store.size(), [&](MDB_val key, MDB_val) {
      keys_.emplace_back(static_cast<const char*>(key.mv_data), key.mv_size);
    });
    order_ = epoch_order(1, 0, keys_.size());
  }

  [[nodiscard]] Json run() {
    Json result{{"records", keys_.size()}};
    for (const std::vector<Case>& cases : {warm(), cold()}) {
      for (const Case& c : cases) result["records_per_s"][c.name] = apps::median(c.rates);
    }
    return result;
  }

 private:
  [[nodiscard]] std::vector<Case> warm() {
    const Store store(a_.store);
    Lmdb lmdb(a_.lmdb);
    const std::size_t all = keys_.size();
    std::vector<Case> cases{
        {"sequential store", [&] { return in_order(store, all); }},
        {"sequential lmdb", [&] { return in_order(lmdb, all, false); }},
        {"sequential lmdb as caffe", [&] { return in_order(lmdb, all, true); }},
        {"shuffled store", [&] { return shuffled(store, all); }},
        {"shuffled lmdb", [&] { return shuffled(lmdb, all, false); }},
        {"shuffled lmdb as caffe", [&] { return shuffled(lmdb, all, true); }},
    };
    measure(cases, a_.seconds, false);
    return cases;
  }

  // Nothing may be mapped in between: mapped pages stay in the page cache.
  [[nodiscard]] std::vector<Case> cold() {
    const std::size_t some = std::min(keys_.size(), a_.cold_records);
    std::vector<Case> cases{
        {"cold sequential store", [&] { return in_order(Store(dropped(a_.store)), some); }},
        {"cold sequential lmdb", [&] { return in_order(Lmdb(dropped_lmdb()), some, false); }},
        {"cold shuffled store", [&] { return shuffled(Store(dropped(a_.store)), some); }},
        {"cold shuffled lmdb", [&] { return shuffled(Lmdb(dropped_lmdb()), some, false); }},
    };
    measure(cases, a_.seconds, true);
    return cases;
  }

  static const fs::path& dropped(const fs::path& path) {
    drop_from_cache(path);
    return path;
  }
  const fs::path& dropped_lmdb() {
    drop_from_cache(a_.lmdb / "data.mdb");
    return a_.lmdb;
  }

  std::size_t in_order(const Store& store, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      sink_ = sink_ + sum_of(store.payload(static_cast<std::uint32_t>(i)));
    }
    return count;
  }
  std::size_t shuffled(const Store& store, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (i % kBatch == 0) announce(store, i, std::min(i + kBatch, count));
      sink_ = sink_ + sum_of(store.payload(order_[i]));
    }
    return count;
  }
  // As BatchSource does: the records of a batch before the first of them is read.
  void announce(const Store& store, std::size_t begin, std::size_t end) const {
    for (std::size_t i = begin; i < end; ++i) store.will_need(order_[i]);
  }
  std::size_t in_order(Lmdb&& lmdb, std::size_t count, bool caffe) {
    return in_order(lmdb, count, caffe);
  }
  std::size_t in_order(Lmdb& lmdb, std::size_t count, bool caffe) {
    lmdb.for_each(count, [&](MDB_val, MDB_val value) {
      sink_ = sink_ + (caffe ? as_caffe(value) : sum_of(bytes_of(value)));
    });
    return count;
  }
  std::size_t shuffled(const Lmdb& lmdb, std::size_t count, bool caffe) {
    for (std::size_t i = 0; i < count; ++i) {
      const MDB_val value = lmdb.get(keys_[order_[i]]);
      sink_ = sink_ + (caffe ? as_caffe(value) : sum_of(bytes_of(value)));
    }
    return count;
  }

  std::uint64_t as_caffe(const MDB_val& value) {
    const std::string copy(static_cast<const char*>(value.mv_data), value.mv_size);
    datum_.assign(copy);
    return sum_of({reinterpret_cast<const std::uint8_t*>(datum_.data()), datum_.size()});
  }

  static constexpr std::size_t kBatch = 32;

  Arguments a_;
  std::string datum_;
  std::vector<std::string> keys_;
  std::vector<std::uint32_t> order_;
  volatile std::uint64_t sink_ = 0;
};

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  CLI::App app("records per second of a store and of an LMDB of the same records, as JSON");
  fovea::Arguments a;
  app.add_option("STORE", a.store)->required();
  app.add_option("LMDB", a.lmdb)->required();
  app.add_option("--seconds", a.seconds, "of warm and of cold rounds each")->capture_default_str();
  app.add_option("--cold-records", a.cold_records, "of a cold case")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << fovea::Comparison(a).run().dump(1) << '\n';
  } catch (const fovea::Error& error) {
    std::cerr << "fovea_lmdb_bench: error: " << error.what() << '\n';
    return 1;
  }
}
