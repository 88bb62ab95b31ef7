// Who works on a job: an flock on the file "lock" in its folder, held by the process that started
// the job and by the training process itself. The kernel frees it when both are gone, whatever
// ended them; on a file system that machines share, one machine sees another's.
#pragma once

#include <filesystem>
#include <optional>
#include <utility>

namespace fovea::study {

class JobLock {
 public:
  // Nothing when another process holds it. Error when the file cannot be opened.
  [[nodiscard]] static std::optional<JobLock> take(const std::filesystem::path& folder);
  ~JobLock();
  JobLock(JobLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  JobLock& operator=(JobLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  // For a child process, which then holds the lock, too.
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  explicit JobLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

[[nodiscard]] bool is_locked(const std::filesystem::path& folder);

}  // namespace fovea::study
