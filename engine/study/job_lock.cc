#include "engine/study/job_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/core/error.h"

namespace fovea::study {

std::optional<JobLock> JobLock::take(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "lock";
  // Writable: a lock over NFS asks for that.
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  require(descriptor >= 0, "cannot open ", file.string(), ": ", std::strerror(errno));
  JobLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  require(errno == EWOULDBLOCK, "cannot lock ", file.string(), ": ", std::strerror(errno));
  return std::nullopt;
}

JobLock::~JobLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool is_locked(const std::filesystem::path& folder) {
  const int descriptor = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;  // nobody ever worked here
  const bool locked = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  return locked;
}

}  // namespace fovea::study
