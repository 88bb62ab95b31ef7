// Other formats into a store: image files, IDX, Caffe's LMDB.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "data/image_list.h"
#include "data/pack.h"

namespace fovea {

struct ImportOptions {
  std::filesystem::path out;
  bool overwrite = false;
  std::uint64_t shard_bytes = 0;
  std::string label = "label";  // name of the one label column, where the format names none
  PackOptions pack = {};
  std::string command;  // noted in the store's metadata
};

// Each writes a store with one view "all" over every record, about its first label column if there
// is one, and returns the number of records. A killed import_files goes on when started again.
std::int64_t import_files(const ImageFiles& files, const ImportOptions& options);
// images (N, H, W) or (N, H, W, C), labels (N); both may be compressed with gzip. `labels` may be
// empty.
std::int64_t import_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                        const ImportOptions& options);
// Datums of any kind; encoded ones stay encoded. Keys become sources, labels become classes named
// by their numbers. pack.channels: of encoded Datums (3, or 1 to read all as grey).
std::int64_t import_lmdb(const std::filesystem::path& folder, const ImportOptions& options);

// Adds the files to the store at options.out as a new segment: label columns and classes of the
// same names go together, new ones are added. `view` (which may exist) gets the new records.
std::int64_t append_files(const ImageFiles& files, const std::string& view,
                          const ImportOptions& options);
// The same with the records of another store; its views are added to those of the same name.
std::int64_t append_store(const std::filesystem::path& store, const std::filesystem::path& other);

}  // namespace fovea
