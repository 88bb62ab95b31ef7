// The one door to MPI: engine/parallel/mpi/mpi.cc, or engine/parallel/absent/mpi.cc in a build
// without it.
#pragma once

#include <memory>

#include "engine/parallel/communicator.h"

namespace fovea {

// Joins the ranks of the launcher that started this process; they part when the communicator ends.
// Error when this build has no MPI, or it does not start.
[[nodiscard]] std::unique_ptr<Communicator> join_mpi_ranks(double timeout_s);

}  // namespace fovea
