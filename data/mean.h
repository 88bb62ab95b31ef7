// Mean images: of a view, and as files.
#pragma once

#include <filesystem>
#include <functional>

#include "data/store.h"
#include "engine/core/tensor.h"

namespace fovea {

// Mean of the images of a view, shape (C, H, W), blue green red, 0..255. Sums are exact integers
// (of a view with records of floats: doubles, added in its order), so the result does not depend
// on the number of threads; an entry that is listed twice counts twice. Memory: one image of sums
// per thread. Error when the view is empty or its images differ in size.
[[nodiscard]] Tensor<float> mean_image(
    const Store& store, const View& view, int threads,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

// Writes (C, H, W) as .npy or, for the extension .binaryproto, as Caffe's BlobProto (num = 1,
// channels, height, width, packed data), as compute_image_mean does.
void write_mean(const std::filesystem::path& path, TensorView<const float> mean, bool overwrite);

// Reads either; a leading axis of 1 is dropped. Error when the file is damaged or not (C, H, W).
[[nodiscard]] Tensor<float> read_mean(const std::filesystem::path& path);

}  // namespace fovea
