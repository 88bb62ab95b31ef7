// Stands in for MPI in a build without it: says so.
#include "engine/parallel/mpi.h"

#include "engine/core/error.h"

namespace fovea {

std::unique_ptr<Communicator> join_mpi_ranks(double) {
  throw Error(
      "this build has no MPI: started by mpirun or srun, expected to be started alone (or a build "
      "with -DFOVEA_WITH_MPI=ON)");
}

}  // namespace fovea
