// Batches of a view as a pure function of the batch's index.
//
// Batch k holds the positions k * batch, ..., k * batch + batch - 1 of an endless run over the
// view: position p is entry p mod n of epoch p / n. Shuffled, the order of an epoch is a
// permutation of the whole view that depends on (seed, epoch) alone; crops and mirrors depend on
// (seed, p). So any batch of a run can be computed again, and a run that resumes at batch k goes on
// exactly as it would have.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/store.h"
#include "data/transform.h"
#include "engine/core/fields.h"
#include "engine/core/tensor.h"

namespace fovea {

enum class Crops : int { kCentre, kRandom, kOversample, kBottomRight, kCentreMirror };
template <>
inline constexpr EnumTable<Crops, 5> enum_names<Crops>{{{"center", Crops::kCentre},
                                                        {"random", Crops::kRandom},
                                                        {"oversample", Crops::kOversample},
                                                        {"legacy-single", Crops::kBottomRight},
                                                        {"center-mirror", Crops::kCentreMirror}}};

[[nodiscard]] constexpr int images_per_record(Crops crops) {
  return crops == Crops::kOversample ? 10 : crops == Crops::kCentreMirror ? 2 : 1;
}

// How the records of an epoch are chosen. kShuffle: a permutation of the view. kBalanced: every
// class equally often, kWeighted: classes by their weights; both draw with replacement, an epoch
// being as many draws as the view has entries.
enum class Sampling : int { kInOrder, kShuffle, kBalanced, kWeighted };
template <>
inline constexpr EnumTable<Sampling, 4> enum_names<Sampling>{{{"in-order", Sampling::kInOrder},
                                                              {"shuffle", Sampling::kShuffle},
                                                              {"balanced", Sampling::kBalanced},
                                                              {"weighted", Sampling::kWeighted}}};

struct LoaderOptions {
  std::string view;
  std::string label = {};  // column; empty: the one that the view is about
  int batch = 1;           // records
  TransformParams transform = {};
  // kOversample: ten images per record, in the order of oversample_windows; kCentreMirror: two.
  Crops crops = Crops::kCentre;
  bool mirror = false;  // mirror every other image, drawn; not with several images per record
  Sampling sampling = Sampling::kInOrder;
  std::vector<float> class_weights = {};  // of kWeighted: one per class, any scale
  Augmentation augment = {};              // before the crop; off
  std::uint64_t seed = 0;
  // Of `ranks` processes that train together, this is `rank`: batch k of rank r is what batch
  // k * ranks + r would be for one process.
  int rank = 0, ranks = 1;
  // Of Loader (data/loader.h) only:
  std::int64_t first_batch = 0;
  int threads = 1, prefetch = 2;
};

// Where each position of an epoch stands in the view: a permutation of 0, ..., size - 1.
[[nodiscard]] std::vector<std::uint32_t> epoch_order(std::uint64_t seed, std::uint64_t epoch,
                                                     std::size_t size);

// What a batch is made of.
struct BatchChoice {
  std::vector<std::uint64_t> positions;  // of the run, one per record
  std::vector<std::uint32_t> records;
  std::vector<Window> windows;  // images_per_record of them for each record, in the batch's order
};

class BatchSource {
 public:
  // Error on an unknown view or column, an empty view, records of different sizes, a missing label,
  // or a crop or mean that does not fit. `store` must outlive this.
  BatchSource(const Store& store, LoaderOptions options);

  // (batch, C, P, Q); images_per_record times as many images.
  [[nodiscard]] Shape batch_shape() const;
  [[nodiscard]] const Shape& image_shape() const { return image_shape_; }  // of a record: (C, H, W)
  [[nodiscard]] const View& view() const { return view_; }
  // Records in one epoch, and batches that cover it (the last one may run on into the next epoch).
  [[nodiscard]] std::int64_t epoch_size() const {
    return static_cast<std::int64_t>(view_.records.size());
  }
  [[nodiscard]] std::int64_t batches_per_epoch() const {
    return (epoch_size() + options_.batch - 1) / options_.batch;
  }
  [[nodiscard]] const LoaderOptions& options() const { return options_; }

  // Record at a position of the run.
  [[nodiscard]] std::uint32_t record_at(std::uint64_t position) const;

  // Fills `images` (batch_shape(), float, NCHW, blue green red) and one label per record. Any
  // number of threads may call this at once. Error when a record is damaged.
  void load(std::int64_t batch_index, TensorView<float> images, std::span<float> labels) const;
  // The same in two steps: what is in the batch, with its labels; whoever asks cuts the images
  // (data/feed.h). Where needs_host() says nothing against it.
  void choose(std::int64_t batch_index, BatchChoice& choice, std::span<float> labels) const;

  // Why nobody but load() makes these images out of 8-bit records and windows; empty: no reason.
  [[nodiscard]] std::string needs_host() const;

 private:
  using Order = std::shared_ptr<const std::vector<std::uint32_t>>;

  [[nodiscard]] Order order_of(std::uint64_t epoch) const;
  [[nodiscard]] std::vector<Window> windows_at(std::uint64_t position) const;
  void find_classes(const std::string& where);
  [[nodiscard]] std::uint32_t drawn_record(std::uint64_t position) const;

  const Store& store_;
  LoaderOptions options_;
  const View& view_;
  const LabelColumn* labels_ = nullptr;
  // Of balanced and weighted sampling: entries by class, and the share of the classes up to each.
  std::vector<std::vector<std::uint32_t>> class_records_;
  std::vector<double> class_bounds_;
  Shape image_shape_;   // (C, H, W)
  Shape output_shape_;  // (C, P, Q)
  // The orders of the last epochs asked for; two, because prefetching spans an epoch's end.
  struct CachedOrder {
    std::uint64_t epoch = 0;
    Order order;
  };
  mutable std::mutex cache_mutex_;
  mutable CachedOrder cache_[2];
};

// One batch without a BatchSource at hand.
void load_batch(const Store& store, const LoaderOptions& options, std::int64_t batch_index,
                TensorView<float> images, std::span<float> labels);

}  // namespace fovea
