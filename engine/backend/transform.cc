#include "engine/backend/transform.h"

#include "kernels/cuda/implementations.h"

namespace fovea {

bool transform_images(Device& memory, const TransformProblem& problem) {
  if (memory.host_memory()) return false;
  const Shape& y = problem.y.shape;
  expects(problem.image.rank() == 3 && y.rank() == 4 && y.c() == problem.image[0] &&
              y.h() <= problem.image[1] && y.w() <= problem.image[2],
          "windows within images of the same channels");
  expects(!is_blocked(problem.y.layout), "a plain or channels-last input");
  (memory.name() == "emulated" ? emulated::target() : cuda::target()).transform(memory, problem);
  return true;
}

}  // namespace fovea
