// LMDB environments, as Caffe keeps its records in: a folder with data.mdb, one unnamed database of
// keys and values. Needs liblmdb (FOVEA_WITH_LMDB at build), else everything throws an Error that
// says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

namespace fovea {

class LmdbReader {
 public:
  // Takes no lock and writes nothing, so that it also reads from read-only media. Error naming the
  // folder when there is no database in it, or its file ends before its last page.
  explicit LmdbReader(const std::filesystem::path& folder);
  ~LmdbReader();
  LmdbReader(const LmdbReader&) = delete;
  LmdbReader& operator=(const LmdbReader&) = delete;

  [[nodiscard]] std::uint64_t size() const;
  // Calls visit(key, value) in the order of the keys, until it returns false.
  void for_each(const std::function<bool(std::string_view key, std::string_view value)>& visit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Writes a new environment; the folder appears complete or not at all.
class LmdbWriter {
 public:
  // Error when `folder` exists and `overwrite` is false, or when it holds anything but an LMDB.
  LmdbWriter(const std::filesystem::path& folder, bool overwrite);
  ~LmdbWriter();
  LmdbWriter(const LmdbWriter&) = delete;
  LmdbWriter& operator=(const LmdbWriter&) = delete;

  // Keys differ and have 1 to 511 bytes; in ascending order they are fastest.
  void put(std::string_view key, std::string_view value);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fovea
