#include "data/device_records.h"

#include <algorithm>
#include <limits>

namespace fovea {
namespace {

std::vector<std::uint32_t> records_of(const View& view) {
  std::vector<std::uint32_t> records(view.records.begin(), view.records.end());
  std::ranges::sort(records);
  const auto repeated = std::ranges::unique(records);
  records.erase(repeated.begin(), repeated.end());
  return records;
}

// Of the pieces in which records go up: large enough to keep the bus busy, small beside any memory.
constexpr std::size_t kPieceBytes = std::size_t{32} << 20;

}  // namespace

std::size_t DeviceRecords::bytes_of(const View& view, const Shape& image) {
  return records_of(view).size() * static_cast<std::size_t>(image.count());
}

DeviceRecords::DeviceRecords(Device& device, const Store& store, const View& view,
                             const Shape& image)
    : places_(store.size(), -1) {
  const std::vector<std::uint32_t> records = records_of(view);
  const auto size = static_cast<std::size_t>(image.count());
  require(records.size() <= std::numeric_limits<std::int32_t>::max(), "too many records in view ",
          view.name, ": ", records.size());
  pixels_ = DeviceBuffer<std::uint8_t>(device, records.size() * size);
  const std::size_t per_piece = std::max<std::size_t>(kPieceBytes / size, 1);
  std::vector<std::uint8_t> piece, scratch;
  for (std::size_t first = 0; first < records.size(); first += per_piece) {
    piece.clear();
    for (std::size_t i = first; i < std::min(first + per_piece, records.size()); ++i) {
      places_[records[i]] = static_cast<std::int32_t>(i);
      const std::span<const std::uint8_t> planes = store.planes(records[i], scratch);
      expects(planes.size() == size, "records of the image's shape");
      piece.insert(piece.end(), planes.begin(), planes.end());
    }
    device.upload(pixels_.data() + first * size, piece.data(), piece.size());
  }
}

}  // namespace fovea
