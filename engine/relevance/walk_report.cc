#include "engine/relevance/walk_report.h"

#include <cstring>

namespace fovea {
namespace {

// Entry `index` of those that begin `begin` bytes into a table.
template <class T, class Byte>
T* at(Byte* table, std::size_t begin, std::size_t index) {
  return reinterpret_cast<T*>(table + begin) + index;
}

}  // namespace

WalkReport::WalkReport(Device& device, std::size_t images, std::size_t steps, std::size_t sums)
    : device_(&device),
      images_(images),
      sums_at_(steps * images * sizeof(AbsorbedSums)),
      flags_at_(sums_at_ + sums * images * sizeof(ImageSums)),
      table_(device, flags_at_ + steps * sizeof(int)),
      fresh_(table_.size()),
      copy_(table_.size()) {
  const AbsorbedSums none;
  for (std::size_t i = 0; i < steps * images; ++i)
    std::memcpy(fresh_.data() + i * sizeof none, &none, sizeof none);
}

void WalkReport::clear() { device_->upload(table_.data(), fresh_.data(), fresh_.size()); }
void WalkReport::read() { device_->download(copy_.data(), table_.data(), copy_.size()); }

std::span<AbsorbedSums> WalkReport::absorbed(std::size_t step) const {
  return {at<AbsorbedSums>(table_.data(), 0, step * images_), images_};
}
std::span<ImageSums> WalkReport::sums(std::size_t row) const {
  return {at<ImageSums>(table_.data(), sums_at_, row * images_), images_};
}
int* WalkReport::unserved(std::size_t step) const {
  return at<int>(table_.data(), flags_at_, step);
}

std::span<const AbsorbedSums> WalkReport::read_absorbed(std::size_t step) const {
  return {at<const AbsorbedSums>(copy_.data(), 0, step * images_), images_};
}
std::span<const ImageSums> WalkReport::read_sums(std::size_t row) const {
  return {at<const ImageSums>(copy_.data(), sums_at_, row * images_), images_};
}
bool WalkReport::read_unserved(std::size_t step) const {
  return *at<const int>(copy_.data(), flags_at_, step) != 0;
}

}  // namespace fovea
