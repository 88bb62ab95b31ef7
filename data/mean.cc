#include "data/mean.h"

#include <algorithm>
#include <mutex>

#include "data/blob_proto.h"
#include "data/parallel.h"
#include "engine/core/error.h"
#include "engine/core/npy.h"

namespace fovea {
namespace {

constexpr std::int64_t kChunk =
    256;  // images per task: few enough to share out, many to make summing up cheap

void add(std::span<const std::uint8_t> planes, std::vector<std::uint32_t>& sums) {
  for (std::size_t i = 0; i < planes.size(); ++i) sums[i] += planes[i];
}

using MeanProgress = std::function<void(std::int64_t done, std::int64_t total)>;

void check_size(const RecordInfo& record, std::uint32_t number, const RecordInfo& first,
                const std::string& where) {
  require(record.channels == first.channels && record.height == first.height &&
              record.width == first.width,
          "image size in ", where, ": record ", number, " differs, expected ", first.channels, "x",
          first.height, "x", first.width, " as the first");
}

// Sums of 8-bit planes over the view: exact, so the chunks may be added in any order.
std::vector<double> pixel_sums(const Store& store, const View& view, int threads,
                               const std::string& where, const MeanProgress& progress) {
  const RecordInfo first = store.record(view.records.front());
  std::vector<std::uint64_t> sums(first.plane_bytes());
  const auto total = static_cast<std::int64_t>(view.records.size());
  std::int64_t done = 0;
  std::mutex mutex;  // of sums, done and progress
  parallel_for((total + kChunk - 1) / kChunk, threads, [&](std::int64_t chunk) {
    const std::int64_t begin = chunk * kChunk, end = std::min(begin + kChunk, total);
    std::vector<std::uint32_t> part(sums.size());  // 256 * 255 fits
    std::vector<std::uint8_t> scratch;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint32_t number = view.records[static_cast<std::size_t>(i)];
      check_size(store.record(number), number, first, where);
      add(store.planes(number, scratch), part);
    }
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += part[i];
    done += end - begin;
    if (progress) progress(done, total);
  });
  return {sums.begin(), sums.end()};
}

// Sums of a view with records of floats, in double and in the view's order, by one thread.
std::vector<double> value_sums(const Store& store, const View& view, const std::string& where,
                               const MeanProgress& progress) {
  const RecordInfo first = store.record(view.records.front());
  std::vector<double> sums(first.plane_bytes());
  std::int64_t done = 0;
  for (const std::uint32_t number : view.records) {
    check_size(store.record(number), number, first, where);
    const std::vector<float> values = store.values(number);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += double{values[i]};
    if (progress) progress(++done, std::ssize(view.records));
  }
  return sums;
}

}  // namespace

Tensor<float> mean_image(const Store& store, const View& view, int threads,
                         const MeanProgress& progress) {
  const std::string where = str(store.path().string(), ":", view.name);
  require(!view.records.empty(), "empty view in ", where, ": 0 records, expected at least one");
  const bool floats = std::ranges::any_of(view.records, [&](std::uint32_t number) {
    return store.record(number).encoding == Encoding::kFloat;
  });
  const std::vector<double> sums = floats ? value_sums(store, view, where, progress)
                                          : pixel_sums(store, view, threads, where, progress);
  const RecordInfo first = store.record(view.records.front());
  Tensor<float> mean(Shape{first.channels, first.height, first.width});
  for (std::size_t i = 0; i < sums.size(); ++i) {
    mean.values[i] = static_cast<float>(sums[i] / static_cast<double>(view.records.size()));
  }
  return mean;
}

void write_mean(const std::filesystem::path& path, TensorView<const float> mean, bool overwrite) {
  if (path.extension() == ".binaryproto") {
    write_blob_proto(path, mean, overwrite);
  } else {
    require(path.extension() == ".npy", "mean file ", path.string(),
            ": unknown ending, expected .npy or .binaryproto");
    write_npy(path, mean, overwrite);
  }
}

Tensor<float> read_mean(const std::filesystem::path& path) {
  Tensor<float> mean = path.extension() == ".binaryproto" ? read_blob_proto(path) : read_npy(path);
  if (mean.shape.rank() == 4 && mean.shape[0] == 1) {
    mean.shape = {mean.shape[1], mean.shape[2], mean.shape[3]};
  }
  require(mean.shape.rank() == 3, "mean in ", path.string(), ": shape ", mean.shape,
          ", expected (channels, height, width)");
  return mean;
}

}  // namespace fovea
