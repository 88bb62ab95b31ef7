#include "engine/parallel/windows.h"

#include <vector>

#include "engine/parallel/slices.h"

namespace fovea {
namespace {

template <class T>
void sum_piece(std::span<T> values, int rank, RankWindows windows, const WaitForWindows& wait) {
  const int size = static_cast<int>(windows.size());
  const auto index = [](int r) { return static_cast<std::size_t>(r); };
  const auto in_window = [&](int r) {
    return std::span(reinterpret_cast<T*>(windows[index(r)]->bytes), values.size());
  };
  RankWindow& own = *windows[index(rank)];
  const std::uint64_t before = own.offered, now = before + 1;

  wait([&](const RankWindow& w) { return w.taken >= before; });
  for (int r = 0; r < size; ++r) {
    if (r != rank)
      std::ranges::copy(slice(values, r, size), slice(in_window(rank), r, size).begin());
  }
  own.offered = now;

  wait([&](const RankWindow& w) { return w.offered >= now; });
  const std::span<T> to = slice(values, rank, size), shown = slice(in_window(rank), rank, size);
  std::vector<const T*> parts;
  for (int r = 0; r < size; ++r)
    parts.push_back(r == rank ? to.data() : slice(in_window(r), rank, size).data());
  add_in_order<T>(parts, shown);
  own.summed = now;
  std::ranges::copy(shown, to.begin());

  wait([&](const RankWindow& w) { return w.summed >= now; });
  for (int r = 0; r < size; ++r) {
    if (r != rank) std::ranges::copy(slice(in_window(r), r, size), slice(values, r, size).begin());
  }
  own.taken = now;
}

}  // namespace

template <class T>
void sum_in_windows(std::span<T> values, int rank, RankWindows windows,
                    const WaitForWindows& wait) {
  constexpr std::size_t kPiece = kWindowBytes / sizeof(T);
  for (std::size_t first = 0; first < values.size(); first += kPiece)
    sum_piece(values.subspan(first, std::min(kPiece, values.size() - first)), rank, windows, wait);
}

template void sum_in_windows(std::span<float>, int, RankWindows, const WaitForWindows&);
template void sum_in_windows(std::span<double>, int, RankWindows, const WaitForWindows&);

}  // namespace fovea
