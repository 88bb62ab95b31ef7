#include "data/loader.h"

#include <algorithm>

#include "engine/core/error.h"

namespace fovea {

Loader::Loader(const Store& store, LoaderOptions options)
    : source_(store, std::move(options)),
      next_loaded_(source_.options().first_batch),
      next_given_(next_loaded_) {
  const LoaderOptions& o = source_.options();
  expects(o.first_batch >= 0 && o.threads >= 1 && o.prefetch >= 1, "sensible loader options");
  slots_.resize(static_cast<std::size_t>(o.prefetch) + 1);
  for (Slot& slot : slots_) {
    slot.batch.images = Tensor<float>(source_.batch_shape());
    slot.batch.labels.resize(static_cast<std::size_t>(o.batch));
  }
  // More workers than batches in flight would only wait.
  for (int i = 0; i < std::min(o.threads, o.prefetch); ++i) {
    workers_.emplace_back([this] { work(); });
  }
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
}

void Loader::work() {
  for (;;) {
    std::int64_t index = 0;
    {
      std::unique_lock lock(mutex_);
      // The batch before next_given_ is the caller's until the next call, so its slot stays
      // untouched.
      room_.wait(lock,
                 [&] { return stop_ || next_loaded_ < next_given_ + source_.options().prefetch; });
      if (stop_) return;
      index = next_loaded_++;
    }
    Slot& slot = slot_of(index);
    slot.error = nullptr;
    try {
      slot.batch.index = index;
      source_.load(index, slot.batch.images.view(), slot.batch.labels);
    } catch (...) {
      slot.error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      slot.ready = true;
    }
    ready_.notify_all();
  }
}

const Batch& Loader::next() {
  std::unique_lock lock(mutex_);
  Slot& slot = slot_of(next_given_);
  ready_.wait(lock, [&] { return slot.ready; });
  if (slot.error) std::rethrow_exception(slot.error);
  slot.ready = false;
  ++next_given_;
  lock.unlock();
  room_.notify_all();
  return slot.batch;
}

void Loader::next(TensorView<float> images, std::span<float> labels) {
  const Batch& batch = next();
  expects(images.shape == batch.images.shape && labels.size() == batch.labels.size(),
          "buffers of the batch's shape");
  std::copy(batch.images.values.begin(), batch.images.values.end(), images.data);
  std::copy(batch.labels.begin(), batch.labels.end(), labels.begin());
}

}  // namespace fovea
