// Bilinear resize of 8-bit images, bit for bit as OpenCV 4's cv::resize with INTER_LINEAR (without
// IPP).
//
// Pixel centres at half integers, no anti-aliasing: source coordinate f(d) = (d + 0.5) * source /
// target - 0.5, weights in 11-bit fixed point, sums shifted as OpenCV's VResizeLinear does. An
// exact halving of both axes is the 2x2 mean, as there. The aspect ratio is not kept. Source:
// opencv/modules/imgproc/src/resize.cpp, version 4.6.
#pragma once

#include "data/image.h"

namespace fovea {

[[nodiscard]] Image resize_bilinear(const Image& image, int height, int width);

}  // namespace fovea
