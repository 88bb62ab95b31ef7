// A store to other formats: image files, a NumPy array, Caffe's LMDB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "data/store.h"
#include "engine/core/fields.h"

namespace fovea {

// How extracted files are named.
enum class FileNames : int {
  kNumber,  // "000123_<stem of the source>.jpg"
  kSource,  // the source's path: what `fovea data folder` read comes back as it was
  kClass,   // "<class>/000123_<stem>.jpg", "unlabelled/..." for a missing label
};
template <>
inline constexpr EnumTable<FileNames, 3> enum_names<FileNames>{
    {{"number", FileNames::kNumber}, {"source", FileNames::kSource}, {"class", FileNames::kClass}}};

using ExportProgress = std::function<void(std::int64_t done, std::int64_t total)>;

struct ExtractOptions {
  FileNames names = FileNames::kNumber;
  const LabelColumn* column = nullptr;  // of the classes
  bool overwrite = false;
  ExportProgress progress = {};
};

// Writes the records as files below `folder`: JPEG and PNG as they are, raw ones as PNG (the ending
// is changed to fit), float ones as .npy. Error on a source that is no plain path below a folder.
void extract_records(const Store& store, std::span<const std::uint32_t> records,
                     const std::filesystem::path& folder, const ExtractOptions& options);

// One array (N, C, H, W): uint8, or float32 when a record is of floats. Streams; Error when sizes
// differ.
void export_npy(const Store& store, std::span<const std::uint32_t> records,
                const std::filesystem::path& path, bool overwrite,
                const ExportProgress& progress = {});
// The labels as int32 (N), -1 for missing.
void export_labels_npy(const LabelColumn& column, std::span<const std::uint32_t> records,
                       const std::filesystem::path& path, bool overwrite);

// Datums that Caffe reads. Keys are the sources if these ascend strictly, as those of an imported
// LMDB do, else "%08d_<source>"; labels are the class names where these are numbers, else the class
// numbers.
void export_lmdb(const Store& store, std::span<const std::uint32_t> records,
                 const LabelColumn* column, const std::filesystem::path& folder, bool overwrite,
                 const ExportProgress& progress = {});

}  // namespace fovea
