// Lists of image files with labels: a folder per class, a list file, a CSV file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/writer.h"

namespace fovea {

struct ListedFile {
  std::string path;                  // below ImageFiles::root
  std::vector<std::int32_t> labels;  // one per column
};

struct ImageFiles {
  std::filesystem::path root;
  std::vector<ColumnSpec> columns;
  std::vector<ListedFile> files;
};

// <folder>/<class>/.../<file>.jpg, .jpeg or .png: classes are the folders in the order of their
// names; files in the order of their paths. Files directly in `folder` have no label; without any
// class folder there is no column. Error when there is no image.
[[nodiscard]] ImageFiles read_class_folders(const std::filesystem::path& folder,
                                            const std::string& column);

// Caffe's list: lines "<path> <label>", the label a class number; classes are named by their
// numbers. Error with file and line.
[[nodiscard]] ImageFiles parse_list(std::string_view text, const std::filesystem::path& file,
                                    const std::filesystem::path& root, const std::string& column);

// CSV (RFC 4180) with a header line: the column `path` (or `file` or `image`; else the first one)
// and any number of label columns, whose classes are the texts that occur, in the order of numbers
// when all are numbers, else of text; an empty field is a missing label.
[[nodiscard]] ImageFiles parse_csv(std::string_view text, const std::filesystem::path& file,
                                   const std::filesystem::path& root);

// A folder, a .csv file, or a list.
[[nodiscard]] ImageFiles read_image_files(const std::filesystem::path& what,
                                          const std::filesystem::path& root,
                                          const std::string& column);

}  // namespace fovea
