#include "data/feed.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "data/device_records.h"
#include "data/loader.h"
#include "engine/backend/registry.h"
#include "engine/backend/transform.h"

namespace fovea {
namespace {

// Tensor of the input `name`, or -1.
int find_input(const Graph& graph, const std::string& name) {
  for (const int id : graph.inputs) {
    if (graph.tensors[static_cast<std::size_t>(id)].blob == name) return id;
  }
  return -1;
}

std::string megabytes(std::size_t bytes) { return str((bytes + 500'000) / 1'000'000, " MB"); }

class HostFeed final : public Feed {
 public:
  HostFeed(const Store& store, const LoaderOptions& options, Executor& executor)
      : loader_(store, options), images_(executor.input("data")) {
    if (find_input(executor.graph(), "label") >= 0) labels_ = executor.input("label").span();
  }

  std::span<const float> next() override {
    const Batch& batch = loader_.next();
    expects(images_.shape == batch.images.shape, "a net for batches of the source's shape");
    std::ranges::copy(batch.images.values, images_.data);
    if (!labels_.empty()) std::ranges::copy(batch.labels, labels_.begin());
    return batch.labels;
  }
  [[nodiscard]] std::string description() const override { return "made on the host"; }

 private:
  Loader loader_;
  TensorView<float> images_;
  std::span<float> labels_;  // empty: the net wants none
};

class DeviceFeed final : public Feed {
 public:
  DeviceFeed(const Store& store, const LoaderOptions& options, Executor& executor, bool resident)
      : store_(store),
        source_(store, options),
        device_(executor.device()),
        images_(executor.raw(find_input(executor.graph(), "data"))),
        mean_(device_, options.transform.mean.values.size()),
        parts_(parts_of(source_, resident)) {
    expects(images_.shape == source_.batch_shape(), "a net for batches of the source's shape");
    const int label = find_input(executor.graph(), "label");
    if (label >= 0) {
      labels_ = executor.raw(label).data;
      host_labels_ = executor.input("label").span();
    }
    device_.upload(mean_.data(), options.transform.mean.values.data(), mean_.bytes());
    if (resident) records_.emplace(device_, store, source_.view(), source_.image_shape());
    std::vector<Slot> slots;
    for (int i = 0; i <= options.prefetch; ++i)
      slots.push_back({device_.stage(parts_.bytes),
                       {},
                       std::vector<float>(static_cast<std::size_t>(options.batch)),
                       {}});
    ahead_.emplace(std::move(slots), options.first_batch, options.threads,
                   [this](std::int64_t index, Slot& slot) { fill(index, slot); });
  }

  std::span<const float> next() override {
    Slot& slot = ahead_->next();
    slot.block->arrive();
    const std::byte* block = slot.block->device_block();
    const TransformParams& t = source_.options().transform;
    const int rank = t.mean.shape.rank();
    const bool done = transform_images(
        device_, {.x = records_ ? records_->data()
                                : reinterpret_cast<const std::uint8_t*>(block + parts_.pixels),
                  .image = source_.image_shape(),
                  .windows = reinterpret_cast<const TransformWindow*>(block + parts_.windows),
                  .mean = mean_.data(),
                  .mean_kind = rank == 3   ? TransformMean::kImage
                               : rank == 1 ? TransformMean::kChannels
                                           : TransformMean::kValue,
                  .scale = t.scale,
                  .y = images_});
    expects(done, "a device with a memory of its own");
    if (labels_) device_.copy(labels_, block, slot.labels.size() * sizeof(float));
    slot.block->finished();
    if (labels_) std::ranges::copy(slot.labels, host_labels_.begin());
    return slot.labels;
  }

  [[nodiscard]] std::string description() const override {
    return records_ ? "resident, " + megabytes(records_->bytes()) + " on the device"
                    : "streamed, " + megabytes(parts_.bytes) + " to the device for each batch";
  }

 private:
  // Where the parts of a batch's block begin, behind its labels.
  struct Parts {
    std::size_t windows = 0, pixels = 0, bytes = 0;
  };
  struct Slot {
    std::unique_ptr<StagedUpload> block;
    BatchChoice choice;
    std::vector<float> labels;
    std::vector<std::uint8_t> scratch;  // of decoding
  };

  static Parts parts_of(const BatchSource& source, bool resident) {
    const auto aligned = [](std::size_t bytes) { return (bytes + 255) / 256 * 256; };
    const auto records = static_cast<std::size_t>(source.options().batch);
    Parts parts;
    parts.windows = aligned(records * sizeof(float));
    parts.pixels = parts.windows + aligned(static_cast<std::size_t>(source.batch_shape().n()) *
                                           sizeof(TransformWindow));
    parts.bytes = parts.pixels;
    if (!resident) parts.bytes += records * static_cast<std::size_t>(source.image_shape().count());
    return parts;
  }

  // On a worker: batch `index` into the slot, and on its way.
  void fill(std::int64_t index, Slot& slot) {
    source_.choose(index, slot.choice, slot.labels);
    std::byte* block = slot.block->host_block();
    std::memcpy(block, slot.labels.data(), slot.labels.size() * sizeof(float));
    const BatchChoice& choice = slot.choice;
    const std::size_t per_record = choice.windows.size() / choice.records.size();
    std::vector<TransformWindow> windows;
    for (std::size_t n = 0; n < choice.windows.size(); ++n) {
      const std::size_t i = n / per_record;
      const Window& w = choice.windows[n];
      const std::int32_t image =
          records_ ? records_->place_of(choice.records[i]) : static_cast<std::int32_t>(i);
      windows.push_back({image, w.top, w.left, w.mirror ? 1 : 0});
    }
    std::memcpy(block + parts_.windows, windows.data(), windows.size() * sizeof(TransformWindow));
    std::byte* pixels = block + parts_.pixels;
    for (std::size_t i = 0; !records_ && i < choice.records.size(); ++i) {
      const std::span<const std::uint8_t> planes = store_.planes(choice.records[i], slot.scratch);
      std::memcpy(pixels, planes.data(), planes.size());
      pixels += planes.size();
    }
    slot.block->send(parts_.bytes);
  }

  const Store& store_;
  BatchSource source_;
  Device& device_;
  OpTensor images_;
  float* labels_ = nullptr;       // the device's; null: the net wants none
  std::span<float> host_labels_;  // what the host reads of the same input
  DeviceBuffer<float> mean_;
  Parts parts_;
  std::optional<DeviceRecords> records_;  // of a resident feed
  std::optional<ReadAhead<Slot>> ahead_;  // last: its workers use the rest
};

}  // namespace

bool feeds_on_device(const Store& store, const LoaderOptions& options, const std::string& device,
                     FeedKind wanted, std::string* reason) {
  if (reason) reason->clear();
  if (wanted == FeedKind::kHost) return false;
  const bool host_memory = open_device(device)->host_memory();
  const std::string why = host_memory ? str("the memory of device ", device, " is the host's")
                                      : BatchSource(store, options).needs_host();
  if (why.empty()) return true;
  require(wanted == FeedKind::kAuto, "no ", enum_name(wanted), " batches of ",
          store.path().string(), ":", options.view, ": ", why, ", expected auto or host");
  if (reason && !host_memory) *reason = why;
  return false;
}

std::unique_ptr<Feed> open_feed(const Store& store, const LoaderOptions& options,
                                Executor& executor, FeedKind wanted) {
  if (!executor.device_inputs()) return std::make_unique<HostFeed>(store, options, executor);
  bool resident = wanted == FeedKind::kResident;
  if (wanted == FeedKind::kAuto || resident) {
    const BatchSource source(store, options);
    const std::size_t bytes = DeviceRecords::bytes_of(source.view(), source.image_shape()),
                      free = executor.device().free_bytes();
    require(wanted == FeedKind::kAuto || bytes <= free, "no room for the resident records of ",
            store.path().string(), ":", options.view, ": ", megabytes(bytes), ", device ",
            executor.device().name(), " has ", megabytes(free), " free, expected streamed batches");
    resident = resident || bytes <= free / 2;
  }
  return std::make_unique<DeviceFeed>(store, options, executor, resident);
}

}  // namespace fovea
