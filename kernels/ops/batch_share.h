// A batch that several processes share, each with some of its images: what an operation must know
// of the whole, so that the parts give what one process would.
#pragma once

#include <cstdint>

namespace fovea {

struct BatchShare {
  // Place of our image 0 in the shared batch: dropout draws for the elements of that.
  std::int64_t first_image = 0;
  // What a loss is divided by: its count (kernels/ops/simple.h) over the shared batch. 0: it counts
  // its own labels.
  double count = 0;
};

// A second base of the operations that depend on it: dropout, and losses.
class SharesBatch {
 public:
  virtual ~SharesBatch() = default;
  // Behind bind(), in front of forward(). A recorded pass knows a new `count`, but not a new
  // `first_image`.
  virtual void set_share(const BatchShare& share) { share_ = share; }

 protected:
  BatchShare share_;
};

}  // namespace fovea
