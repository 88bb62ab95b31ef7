#include "engine/parallel/rank_device.h"

#include <unistd.h>

#include "engine/core/error.h"

namespace fovea {
namespace {

std::string machine() {
  char name[256] = "";
  (void)::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

std::string device_of_rank(const std::string& device, int place, int gpus) {
  if ((device != "cuda" && device != "cudnn") || gpus == 0) return device;
  return str(device, ":", place % gpus);
}

std::string device_without_number(const std::string& device) {
  return device.substr(0, device.find(':'));
}

void require_a_gpu_each(Communicator& ranks, const std::string& device, const std::string& unit) {
  const std::string place = unit.empty() ? "" : str(unit, " of ", machine());
  const auto places = ranks.gather(place, "the GPUs"), names = ranks.gather(device, "the GPUs");
  for (std::size_t r = 0; r < places.size(); ++r) {
    for (std::size_t other = 0; other < r && !places[r].empty(); ++other)
      require(places[other] != places[r], "ranks ", other, " and ", r,
              " on one GPU: ", names[other], " and ", names[r], ", ", places[r],
              ", expected a GPU for each rank");
  }
}

}  // namespace fovea
