#include "data/lmdb.h"

#ifdef FOVEA_WITH_LMDB
#include <lmdb.h>
#endif
#include <unistd.h>

#include "engine/core/error.h"

namespace fovea {
namespace fs = std::filesystem;

#ifdef FOVEA_WITH_LMDB

namespace {

void check(int code, const char* action, const fs::path& folder) {
  require(code == MDB_SUCCESS, action, " LMDB ", folder.string(), ": ", mdb_strerror(code));
}

// A page that the file lacks would end the process when its map is read. LMDB itself may leave out
// pages at the end that one transaction took and gave back; such a file is refused with the others,
// as what it has gives no sign of which it is. Data sets, which are only ever added to, have all.
void check_is_whole(MDB_env* env, const fs::path& folder) {
  MDB_envinfo info;
  MDB_stat stat;
  check(mdb_env_info(env, &info), "cannot read", folder);
  check(mdb_env_stat(env, &stat), "cannot read", folder);
  const std::uint64_t needed = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  std::error_code error;
  const std::uintmax_t size = fs::file_size(folder / "data.mdb", error);
  require(!error, "cannot read LMDB ", folder.string(), ": ", error.message());
  require(size >= needed, "truncated LMDB in ", folder.string(), ": ", size,
          " bytes, expected at least ", needed,
          " (`mdb_copy -c` completes one that lacks unused pages)");
}

MDB_val value_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

}  // namespace

struct LmdbReader::State {
  fs::path folder;
  MDB_env* env = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_dbi database = 0;

  ~State() {
    if (transaction != nullptr) mdb_txn_abort(transaction);
    if (env != nullptr) mdb_env_close(env);
  }
};

LmdbReader::LmdbReader(const fs::path& folder) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.folder = folder;
  std::error_code ignored;
  require(fs::is_regular_file(folder / "data.mdb", ignored), "cannot read LMDB ", folder.string(),
          ": no data.mdb in it, expected the folder of a database");
  constexpr unsigned kFlags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS;
  check(mdb_env_create(&s.env), "cannot read", folder);
  check(mdb_env_open(s.env, folder.c_str(), kFlags, 0444), "cannot read", folder);
  check_is_whole(s.env, folder);
  check(mdb_txn_begin(s.env, nullptr, MDB_RDONLY, &s.transaction), "cannot read", folder);
  check(mdb_dbi_open(s.transaction, nullptr, 0, &s.database), "cannot read", folder);
}

LmdbReader::~LmdbReader() = default;

std::uint64_t LmdbReader::size() const {
  MDB_stat stat;
  check(mdb_stat(state_->transaction, state_->database, &stat), "cannot read", state_->folder);
  return stat.ms_entries;
}

void LmdbReader::for_each(
    const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  MDB_cursor* opened = nullptr;
  check(mdb_cursor_open(state_->transaction, state_->database, &opened), "cannot read",
        state_->folder);
  const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> cursor(opened, mdb_cursor_close);
  for (;;) {
    MDB_val key{}, value{};
    const int code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT);
    if (code == MDB_NOTFOUND) return;
    check(code, "cannot read", state_->folder);
    if (!visit({static_cast<const char*>(key.mv_data), key.mv_size},
               {static_cast<const char*>(value.mv_data), value.mv_size})) {
      return;
    }
  }
}

struct LmdbWriter::State {
  // Room in the address space, not on the disk: grown as needed.
  static constexpr std::size_t kFirstMapSize = std::size_t{1} << 28;
  // Bytes of values in one transaction: dirty pages are kept in memory until it ends.
  static constexpr std::size_t kTransactionBytes = std::size_t{1} << 26;

  fs::path folder, temporary;
  MDB_env* env = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_dbi database = 0;
  std::size_t map_size = kFirstMapSize, pending = 0, total = 0;
  bool committed = false;

  void begin() {
    check(mdb_txn_begin(env, nullptr, 0, &transaction), "cannot write", folder);
    check(mdb_dbi_open(transaction, nullptr, 0, &database), "cannot write", folder);
  }
  void end() {
    MDB_txn* ending = transaction;
    transaction = nullptr;
    check(mdb_txn_commit(ending), "cannot write", folder);
    total += pending, pending = 0;
  }
  void close() {
    if (transaction != nullptr) mdb_txn_abort(transaction);
    transaction = nullptr;
    if (env != nullptr) mdb_env_close(env);
    env = nullptr;
  }
  ~State() {
    close();
    std::error_code ignored;
    if (!committed && !temporary.empty()) fs::remove_all(temporary, ignored);
  }
};

LmdbWriter::LmdbWriter(const fs::path& folder, bool overwrite) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.folder = folder;
  std::error_code error;
  require(overwrite || !fs::exists(folder, error), "output exists: ", folder.string(),
          ", expected a new name (or --force)");
  if (fs::exists(folder, error)) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename();
      require(name == "data.mdb" || name == "lock.mdb", "output ", folder.string(), " holds ", name,
              ", expected a new name or an LMDB");
    }
  }
  const fs::path temporary = str(folder.string(), ".tmp", ::getpid());
  fs::create_directories(temporary, error);
  require(!error, "cannot create ", temporary.string(), ": ", error.message());
  s.temporary = temporary;
  check(mdb_env_create(&s.env), "cannot write", folder);
  check(mdb_env_set_mapsize(s.env, s.map_size), "cannot write", folder);
  check(mdb_env_open(s.env, temporary.c_str(), MDB_NOSYNC, 0664), "cannot write", folder);
  s.begin();
}

LmdbWriter::~LmdbWriter() = default;

void LmdbWriter::put(std::string_view key, std::string_view value) {
  State& s = *state_;
  // A B+ tree of 4 KiB pages needs more than its values; three times as much is always enough.
  const std::size_t needed = 3 * (s.total + s.pending + value.size() + 16384);
  if (s.pending >= State::kTransactionBytes || needed > s.map_size) {
    s.end();
    while (needed > s.map_size) s.map_size *= 2;
    check(mdb_env_set_mapsize(s.env, s.map_size), "cannot write", s.folder);
    s.begin();
  }
  MDB_val k = value_of(key), v = value_of(value);
  const int code = mdb_put(s.transaction, s.database, &k, &v, MDB_NOOVERWRITE);
  require(code != MDB_KEYEXIST, "key '", key, "' twice in LMDB ", s.folder.string(),
          ", expected keys that differ");
  check(code, "cannot write", s.folder);
  s.pending += value.size() + 4096;
}

void LmdbWriter::commit() {
  State& s = *state_;
  s.end();
  check(mdb_env_sync(s.env, 1), "cannot write", s.folder);
  s.close();
  std::error_code error;
  fs::remove(s.temporary / "lock.mdb", error);
  fs::remove_all(s.folder, error);
  fs::rename(s.temporary, s.folder, error);
  require(!error, "cannot rename into ", s.folder.string(), ": ", error.message());
  s.committed = true;
}

#else

namespace {
[[noreturn]] void refuse(const fs::path& folder) {
  throw Error(str("cannot use LMDB ", folder.string(),
                  ": this build has none, expected one with liblmdb (FOVEA_WITH_LMDB)"));
}
}  // namespace

struct LmdbReader::State {};
struct LmdbWriter::State {};
LmdbReader::LmdbReader(const fs::path& folder) { refuse(folder); }
LmdbReader::~LmdbReader() = default;
std::uint64_t LmdbReader::size() const { return 0; }
void LmdbReader::for_each(const std::function<bool(std::string_view, std::string_view)>&) {}
LmdbWriter::LmdbWriter(const fs::path& folder, bool) { refuse(folder); }
LmdbWriter::~LmdbWriter() = default;
void LmdbWriter::put(std::string_view, std::string_view) {}
void LmdbWriter::commit() {}

#endif

}  // namespace fovea
