// Reads batches ahead on worker threads, in order, with bounded memory: prefetch + 1 batches.
//
// What comes is exactly BatchSource's batches first_batch, first_batch + 1, ...; threads and
// prefetch change the speed, never the numbers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "data/batch_source.h"

namespace fovea {

struct Batch {
  std::int64_t index = -1;
  Tensor<float> images;       // BatchSource::batch_shape()
  std::vector<float> labels;  // one per record
};

class Loader {
 public:
  // Errors as BatchSource's. `store` must outlive this.
  Loader(const Store& store, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch; valid until the next call. An Error of the worker that loaded it comes out
  // here, again at every further call. For one consuming thread.
  const Batch& next();
  // The same, copied into the caller's buffers.
  void next(TensorView<float> images, std::span<float> labels);

  // Index of the batch that the next call of next() gives: what a checkpoint holds as first_batch.
  [[nodiscard]] std::int64_t position() const { return next_given_; }
  [[nodiscard]] const BatchSource& source() const { return source_; }

 private:
  struct Slot {
    Batch batch;
    bool ready = false;
    std::exception_ptr error;
  };

  void work();
  [[nodiscard]] Slot& slot_of(std::int64_t batch) {
    return slots_[static_cast<std::size_t>(batch) % slots_.size()];
  }

  BatchSource source_;
  std::vector<Slot> slots_;  // batch k lies in slot k mod (prefetch + 1)
  std::mutex mutex_;         // of everything below and of Slot::ready
  std::condition_variable room_, ready_;
  std::int64_t next_loaded_, next_given_;
  bool stop_ = false;
  std::vector<std::jthread> workers_;  // last: they use the rest
};

}  // namespace fovea
