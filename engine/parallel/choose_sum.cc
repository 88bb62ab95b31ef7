#include "engine/parallel/choose_sum.h"

#include "engine/core/error.h"
#include "engine/parallel/host_sum.h"
#include "kernels/nccl/ranks_sum.h"

namespace fovea {
namespace {

// Why the sums of this rank cannot be NCCL's; empty: they can.
std::string nccl_missing(const Device& device, bool gpu) {
  return gpu ? nccl::offer().missing : str("device ", device.name(), " is no GPU");
}

// The first reason that a rank has, with its number; empty: all can.
std::string nccl_missing_somewhere(Communicator& ranks, const Device& device, bool gpu) {
  const auto reasons = ranks.gather(nccl_missing(device, gpu), "the ranks' NCCL");
  for (std::size_t r = 0; r < reasons.size(); ++r) {
    if (!reasons[r].empty())
      return ranks.size() > 1 ? str("rank ", r, ": ", reasons[r]) : reasons[r];
  }
  return "";
}

std::unique_ptr<DeviceSum> join_by_nccl(Communicator& ranks, Device& device, double timeout_s) {
  const std::string id =
      ranks.broadcast(ranks.first() ? nccl::make_id() : std::string(), "the id of NCCL");
  return nccl::join(device,
                    {.id = id, .rank = ranks.rank(), .size = ranks.size(), .timeout_s = timeout_s});
}

}  // namespace

ChosenSum choose_sum(Communicator& ranks, Device& device, const SumOptions& options) {
  if (ranks.size() == 1 && options.choice != SumChoice::kNccl) return {};
  const auto by_hosts = [&] { return std::make_unique<HostSum>(ranks, device); };
  if (options.choice == SumChoice::kHosts) return {by_hosts(), ""};
  const std::string missing = nccl_missing_somewhere(ranks, device, options.gpu);
  require(missing.empty() || options.choice == SumChoice::kAuto, "no NCCL for the sums: ", missing,
          ", expected --sum auto | hosts");
  if (missing.empty()) return {join_by_nccl(ranks, device, options.timeout_s), ""};
  // Elsewhere nobody would have expected it.
  return {by_hosts(), options.gpu ? missing : ""};
}

}  // namespace fovea
