// Packs images in the Adience layout into a store: each image once, with the study's views over
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/adience_plan.h"
#include "data/pack.h"
#include "data/writer.h"

namespace fovea {

struct AdienceOptions {
  // Folder with aligned/<user>/... and / or faces/<user>/..., or with the user folders directly.
  std::filesystem::path images;
  std::filesystem::path folds;  // folder of the fold files; may be empty when `lists` is given
  std::filesystem::path lists;  // folder of ready lists; empty: draw the splits
  std::filesystem::path out;
  Alignment alignment = Alignment::kAligned;
  // Stored images are size x size, resized as OpenCV does without keeping the aspect ratio;
  // unaligned ones are first squared by repeating their edges.
  int size = 256;
  PackEncoding encode = PackEncoding::kRaw;  // kRaw or kJpeg
  bool label_fix = false;                    // data/folds.h
  Validation validation = Validation::kFaces;
  std::uint64_t seed = 0;     // of the validation draw
  int threads = 0;            // 0: every core
  bool skip_missing = false;  // go on without missing image files
  bool overwrite = false;
  // Above 0: payloads go to shards of about this size. Without shards a killed run leaves
  // "<out>.partial", and the next run with the same options and files goes on from there.
  std::uint64_t shard_bytes = 0;
  std::string command;  // noted in the store's metadata
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // from one thread
};

struct AdienceSummary {
  std::int64_t rows = 0, repeated_rows = 0, rows_without_label = 0;
  std::int64_t missing_images = 0;
  std::int64_t resumed = 0;  // images that a killed run had packed
  FoldFiles files;           // of `folds`
  AdiencePlan plan;          // what is in the store
};

// Reads fold files and lists only: the images and views that packing would give.
[[nodiscard]] AdienceSummary plan_adience(const AdienceOptions& options);

// Error naming the first missing image and how many there are, unless skip_missing. On any error
// nothing is left behind but what a repeated run goes on from.
AdienceSummary pack_adience(const AdienceOptions& options);

}  // namespace fovea
