// Reads batches ahead on worker threads (data/read_ahead.h): exactly BatchSource's batches
// first_batch, first_batch + 1, ...
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch_source.h"
#include "data/read_ahead.h"

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

  // The next batch; valid until the next call. An Error of the worker that loaded it comes out
  // here, again at every further call. For one consuming thread.
  const Batch& next() { return ahead_.next(); }
  // The same, copied into the caller's buffers.
  void next(TensorView<float> images, std::span<float> labels);

  // Index of the batch that the next call of next() gives: what a checkpoint holds as first_batch.
  [[nodiscard]] std::int64_t position() const { return ahead_.position(); }
  [[nodiscard]] const BatchSource& source() const { return source_; }

 private:
  BatchSource source_;
  ReadAhead<Batch> ahead_;
};

}  // namespace fovea
