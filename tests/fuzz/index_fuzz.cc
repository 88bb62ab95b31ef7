// The index of a store, as if its checksum were right, and then every number in it.
#include "data/index.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  const fovea::StoreIndex index = fovea::parse_index(bytes, 1 << 20, "fuzz");
  std::size_t sum = 0;
  for (const auto& column : index.columns) {
    for (const std::int32_t value : column.values) {
      if (value >= 0) sum += column.classes.at(static_cast<std::size_t>(value)).size();
    }
  }
  for (const auto& view : index.views) {
    for (const std::uint32_t record : view.records) sum += index.records.at(record).size;
  }
  volatile std::size_t used = sum;
  (void)used;
})
