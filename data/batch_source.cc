#include "data/batch_source.h"

#include <algorithm>
#include <numeric>

#include "engine/core/error.h"
#include "engine/core/random.h"

namespace fovea {

std::vector<std::uint32_t> epoch_order(std::uint64_t seed, std::uint64_t epoch, std::size_t size) {
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0U);
  random_shuffle<std::uint32_t>(
      {.seed = seed, .purpose = RandomPurpose::kShuffle, .iteration = epoch}, order);
  return order;
}

BatchSource::BatchSource(const Store& store, LoaderOptions options)
    : store_(store), options_(std::move(options)), view_(store.view(options_.view)) {
  const std::string where = str(store.path().string(), ":", options_.view);
  require(!view_.records.empty(), "empty view in ", where, ": 0 records, expected at least one");
  require(options_.batch >= 1, "batch for ", where, ": ", options_.batch, ", expected at least 1");
  require(!options_.mirror || images_per_record(options_.crops) == 1, "mirror for ", where,
          ": true, expected false with oversample crops, which mirror themselves");
  if (!options_.label.empty()) {
    labels_ = &store.column(options_.label);
  } else {
    require(view_.target >= 0, "view in ", where,
            ": about no column, expected a label to be named");
    labels_ = &store.columns()[static_cast<std::size_t>(view_.target)];
  }
  const RecordInfo first = store.record(view_.records.front());
  image_shape_ = {first.channels, first.height, first.width};
  for (const std::uint32_t number : view_.records) {
    const RecordInfo record = store.record(number);
    const Shape shape{record.channels, record.height, record.width};
    require(shape == image_shape_, "image size in ", where, ": record ", number, " is ", shape,
            ", expected ", image_shape_, " as the first");
    require(labels_->values[number] != kMissing, "missing label in ", where, ": record ", number,
            " has no ", labels_->name, ", expected one");
    require(record.encoding != Encoding::kFloat || !options_.augment.any(), "augmentation in ",
            where, ": record ", number, " is of floats, expected 8-bit pixels");
  }
  output_shape_ = transformed_shape(options_.transform, image_shape_, where);
  require(options_.ranks >= 1 && options_.rank >= 0 && options_.rank < options_.ranks, "rank for ",
          where, ": ", options_.rank, " of ", options_.ranks, ", expected 0 to ranks - 1");
  check_augmentation(options_.augment, where);
  if (options_.sampling == Sampling::kBalanced || options_.sampling == Sampling::kWeighted) {
    find_classes(where);
  }
}

void BatchSource::find_classes(const std::string& where) {
  const std::size_t classes = labels_->classes.size();
  const bool weighted = options_.sampling == Sampling::kWeighted;
  require(!weighted || options_.class_weights.size() == classes, "class weights for ", where, ": ",
          options_.class_weights.size(), ", expected one for each of ", classes, " classes");
  class_records_.resize(classes);
  for (const std::uint32_t record : view_.records) {
    class_records_[static_cast<std::size_t>(labels_->values[record])].push_back(record);
  }
  double sum = 0;
  for (std::size_t k = 0; k < classes; ++k) {
    const double weight = weighted ? double{options_.class_weights[k]} : 1.0;
    require(weight >= 0 && weight <= 1e30, "class weights for ", where, ": ", weight,
            ", expected 0 or more");
    // A class without records cannot be drawn.
    if (!class_records_[k].empty()) sum += weight;
    class_bounds_.push_back(sum);
  }
  require(sum > 0, "class weights for ", where,
          ": no class of the view has one, expected a weight above 0");
  for (double& bound : class_bounds_) bound /= sum;
}

std::uint32_t BatchSource::drawn_record(std::uint64_t position) const {
  const RandomKey key{options_.seed, RandomPurpose::kSampling, position};
  const double draw = double{random_uniform(key, 0)};
  const auto found = std::upper_bound(class_bounds_.begin(), class_bounds_.end(), draw);
  const auto& records = class_records_[static_cast<std::size_t>(found - class_bounds_.begin())];
  return records[random_below(key, 1, static_cast<std::uint32_t>(records.size()))];
}

Shape BatchSource::batch_shape() const {
  const int images = images_per_record(options_.crops) * options_.batch;
  return {images, output_shape_[0], output_shape_[1], output_shape_[2]};
}

BatchSource::Order BatchSource::order_of(std::uint64_t epoch) const {
  const std::lock_guard lock(cache_mutex_);
  CachedOrder& cached = cache_[epoch % 2];
  if (!cached.order || cached.epoch != epoch) {
    cached = {epoch, std::make_shared<const std::vector<std::uint32_t>>(
                         epoch_order(options_.seed, epoch, view_.records.size()))};
  }
  return cached.order;
}

std::uint32_t BatchSource::record_at(std::uint64_t position) const {
  const auto size = static_cast<std::uint64_t>(epoch_size());
  const auto entry = static_cast<std::size_t>(position % size);
  if (options_.sampling == Sampling::kInOrder) return view_.records[entry];
  if (options_.sampling != Sampling::kShuffle) return drawn_record(position);
  return view_.records[(*order_of(position / size))[entry]];
}

std::vector<Window> BatchSource::windows_at(std::uint64_t position) const {
  const int crop = options_.transform.crop;
  if (options_.crops == Crops::kOversample) return oversample_windows(image_shape_, crop);
  Window window = centre_window(image_shape_, crop);
  if (options_.crops == Crops::kCentreMirror)
    return {window, {.top = window.top, .left = window.left, .mirror = true}};
  if (options_.crops == Crops::kBottomRight) window = oversample_windows(image_shape_, crop)[3];
  if (options_.crops == Crops::kRandom && crop > 0) {
    const RandomKey key{options_.seed, RandomPurpose::kCrop, position};
    const auto choices = [&](int axis) {
      return static_cast<std::uint32_t>(image_shape_[axis] - crop + 1);
    };
    window.top = static_cast<int>(random_below(key, 0, choices(1)));
    window.left = static_cast<int>(random_below(key, 1, choices(2)));
  }
  if (options_.mirror) {
    window.mirror = random_below({options_.seed, RandomPurpose::kMirror, position}, 0, 2) == 1;
  }
  return {window};
}

void BatchSource::choose(std::int64_t batch_index, BatchChoice& choice,
                         std::span<float> labels) const {
  expects(batch_index >= 0, "batches count from 0");
  expects(labels.size() == static_cast<std::size_t>(options_.batch), "a label per record");
  choice.positions.clear(), choice.records.clear(), choice.windows.clear();
  const std::uint64_t global_batch =
      static_cast<std::uint64_t>(batch_index) * static_cast<std::uint64_t>(options_.ranks) +
      static_cast<std::uint64_t>(options_.rank);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::uint64_t position = global_batch * static_cast<std::uint64_t>(options_.batch) + i;
    choice.positions.push_back(position);
    choice.records.push_back(record_at(position));
    for (const Window& window : windows_at(position)) choice.windows.push_back(window);
    labels[i] = static_cast<float>(labels_->values[choice.records.back()]);
  }
  for (const std::uint32_t record : choice.records) store_.will_need(record);
}

void BatchSource::load(std::int64_t batch_index, TensorView<float> images,
                       std::span<float> labels) const {
  expects(images.shape == batch_shape(), "images of batch_shape()");
  const auto image_size = static_cast<std::size_t>(output_shape_.count());
  const auto per_record = static_cast<std::size_t>(images_per_record(options_.crops));
  std::span<float> out = images.span();
  std::vector<std::uint8_t> scratch, augmented;
  BatchChoice choice;
  choose(batch_index, choice, labels);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::uint32_t record = choice.records[i];
    const auto fill = [&](const auto& planes) {
      for (const Window& window : std::span(choice.windows).subspan(i * per_record, per_record)) {
        transform_image(planes, image_shape_, options_.transform, window, out.first(image_size));
        out = out.subspan(image_size);
      }
    };
    if (store_.record(record).encoding == Encoding::kFloat) {
      fill(store_.values(record));
    } else if (options_.augment.any()) {
      augment_planes(store_.planes(record, scratch), image_shape_, options_.augment,
                     {options_.seed, RandomPurpose::kAugment, choice.positions[i]}, augmented);
      fill(augmented);
    } else {
      fill(store_.planes(record, scratch));
    }
  }
}

std::string BatchSource::needs_host() const {
  if (options_.augment.any()) return "the images are augmented";
  for (const std::uint32_t number : view_.records) {
    if (store_.record(number).encoding == Encoding::kFloat)
      return str("record ", number, " is of floats");
  }
  return "";
}

void load_batch(const Store& store, const LoaderOptions& options, std::int64_t batch_index,
                TensorView<float> images, std::span<float> labels) {
  BatchSource(store, options).load(batch_index, images, labels);
}

}  // namespace fovea
