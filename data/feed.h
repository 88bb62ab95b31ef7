// Batches of a view into the inputs of an executor: "data", and "label" where the net has one.
//
// Three ways, the same bits:
//   kHost      the loader's threads make them as floats; a device with a memory of its own gets
//              those uploaded
//   kStreamed  the loader's threads put the records' 8-bit pixels into page-locked memory and send
//              them to the device while it works on the step before; there one launch cuts,
//              mirrors, subtracts the mean and writes the layout that the first layer reads
//   kResident  all records of the view lie in the device's memory as 8-bit pixels; what is sent is
//              a batch's labels and windows, for the same launch
// The latter two (device feeds) want an executor with `device_inputs`, a memory that is not the
// host's, and 8-bit records without augmentation.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "data/batch_source.h"
#include "engine/core/fields.h"
#include "engine/graph/executor.h"

namespace fovea {

// kAuto: a device feed where one can be, resident where the records take at most half of the
// device's free memory.
enum class FeedKind : int { kAuto, kResident, kStreamed, kHost };
template <>
inline constexpr EnumTable<FeedKind, 4> enum_names<FeedKind>{{{"auto", FeedKind::kAuto},
                                                              {"resident", FeedKind::kResident},
                                                              {"streamed", FeedKind::kStreamed},
                                                              {"host", FeedKind::kHost}}};

class Feed {
 public:
  virtual ~Feed() = default;
  // The next batch, from options.first_batch on, into the executor's inputs: work that is queued
  // from now on sees it. Returns its labels, valid until the next call. An Error of the worker that
  // made it comes out here.
  virtual std::span<const float> next() = 0;
  // "resident, 7336 MB on the device": for people.
  [[nodiscard]] virtual std::string description() const = 0;
};

// Whether `wanted` comes to a device feed on `device`, which says what ExecutorOptions'
// device_inputs shall be. Error when a device feed is wanted and cannot be; with kAuto, `reason`
// says why not where the device's memory is its own.
[[nodiscard]] bool feeds_on_device(const Store& store, const LoaderOptions& options,
                                   const std::string& device, FeedKind wanted,
                                   std::string* reason = nullptr);

// `store` and `executor` must outlive it; whether it feeds on the device is the executor's option.
// Error when resident records are wanted and the device has no room for them.
[[nodiscard]] std::unique_ptr<Feed> open_feed(const Store& store, const LoaderOptions& options,
                                              Executor& executor, FeedKind wanted);

}  // namespace fovea
