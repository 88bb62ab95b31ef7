// A small store with every feature of the format, and helpers that the data tests share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/store.h"
#include "data/writer.h"
#include "engine/core/error.h"
#include "engine/core/json_fields.h"
#include "engine/core/random.h"
#include "tests/support/message_of.h"
#include "tests/support/temporary_folder.h"

namespace fovea {

// An input file of a test, written without AtomicFile's syncs.
inline void write_input(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

inline std::vector<std::uint8_t> random_bytes(std::size_t size, std::uint64_t seed) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(random_word({.seed = seed}, i));
  }
  return bytes;
}

// Planes (3, 5, 7) of record `number` of the sample store.
inline std::vector<std::uint8_t> sample_planes(std::uint64_t number) {
  return random_bytes(105, 1000 + number);
}

inline std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Five records (two raw, PNG, JPEG, and floats in 7 channels), two columns, missing labels, two
// views.
inline void write_sample_store(const std::filesystem::path& path, std::uint64_t shard_bytes = 0) {
  StoreWriter writer(path, {{"age", {"young", "old"}}, {"subject", {"user"}}},
                     {.overwrite = true, .shard_bytes = shard_bytes});
  NewRecord record{.height = 5, .width = 7, .source = "user/zero.png", .labels = {0, 0}};
  writer.add(record, sample_planes(0));
  record.source = "user/one.png", record.labels = {1, kMissing};
  writer.add(record, sample_planes(1));
  record.source = "", record.labels = {kMissing, 0}, record.encoding = Encoding::kPng;
  writer.add(record, as_bytes(encode_png(from_planes(sample_planes(2), 3, 5, 7))));
  record.source = "user/\u00fcmlaut.jpg", record.encoding = Encoding::kJpeg;
  writer.add(record, as_bytes(encode_jpeg(from_planes(sample_planes(3), 3, 5, 7), 90)));
  record = {.encoding = Encoding::kFloat,
            .channels = 7,
            .height = 1,
            .width = 2,
            .source = "f",
            .labels = {1, 0}};
  std::vector<float> values;
  for (int i = 0; i < 14; ++i) values.push_back(static_cast<float>(i) / 3 - 2);
  writer.add(record, {reinterpret_cast<const std::uint8_t*>(values.data()), 56});
  writer.add_view("age/some", "age", std::vector<std::uint32_t>{0, 1}, {{"fold", 3}});
  writer.add_view("all/twice", "", std::vector<std::uint32_t>{2, 1, 0, 0, 1, 2}, Json::object());
  writer.commit({{"purpose", "test"}});
}

// A second segment: two more records, a class and a column more, a view replaced.
inline void append_to_sample_store(const std::filesystem::path& path) {
  const Store base(path);
  StoreWriter writer(
      base, {{"age", {"young", "old", "ancient"}}, {"subject", {"user"}}, {"eyes", {"open"}}});
  writer.add_view_of(base, base.view("all/twice"));
  NewRecord record{.channels = 1, .height = 15, .width = 7, .source = "new/a", .labels = {2, 0, 0}};
  writer.add(record, sample_planes(4));
  record.source = "new/b", record.labels = {0, kMissing, kMissing};
  writer.add(record, sample_planes(5));
  writer.add_view("age/some", "age", std::vector<std::uint32_t>{0, 5}, {{"fold", 4}});
  writer.commit({{"purpose", "test"}, {"appended", 2}});
}

}  // namespace fovea
