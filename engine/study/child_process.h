// A process of ours that does not outlive us.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fovea::study {

struct ChildOptions {
  std::filesystem::path program;
  std::vector<std::string> arguments;  // behind the program's name
  std::filesystem::path log;           // stdout and stderr are added to its end
  std::vector<std::pair<std::string, std::string>> environment;  // over ours, ...
  std::span<const std::string_view> without = {};  // ... less what begins with one of these
  int inherited = -1;  // a descriptor that stays open in the child; -1: none
};

struct ChildExit {
  int code = 0, signal = 0;  // signal > 0: what ended it
};

class ChildProcess {
 public:
  // The kernel kills the child when this thread's process ends, however it ends. Error when it
  // cannot be started.
  explicit ChildProcess(const ChildOptions& options);
  // Kills it when it still runs.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }

  // How it ended; nothing while it runs.
  [[nodiscard]] std::optional<ChildExit> poll();
  // SIGTERM: `fovea train` takes a snapshot and ends.
  void ask_to_stop() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

}  // namespace fovea::study
