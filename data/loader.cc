#include "data/loader.h"

#include <algorithm>

#include "engine/core/error.h"

namespace fovea {
namespace {

std::vector<Batch> empty_batches(const BatchSource& source) {
  const LoaderOptions& o = source.options();
  expects(o.first_batch >= 0 && o.threads >= 1 && o.prefetch >= 1, "sensible loader options");
  const Batch batch{.images = Tensor<float>(source.batch_shape()),
                    .labels = std::vector<float>(static_cast<std::size_t>(o.batch))};
  return {static_cast<std::size_t>(o.prefetch) + 1, batch};
}

}  // namespace

Loader::Loader(const Store& store, LoaderOptions options)
    : source_(store, std::move(options)),
      ahead_(empty_batches(source_), source_.options().first_batch, source_.options().threads,
             [this](std::int64_t index, Batch& batch) {
               batch.index = index;
               source_.load(index, batch.images.view(), batch.labels);
             }) {}

void Loader::next(TensorView<float> images, std::span<float> labels) {
  const Batch& batch = next();
  expects(images.shape == batch.images.shape && labels.size() == batch.labels.size(),
          "buffers of the batch's shape");
  std::copy(batch.images.values.begin(), batch.images.values.end(), images.data);
  std::copy(batch.labels.begin(), batch.labels.end(), labels.begin());
}

}  // namespace fovea
