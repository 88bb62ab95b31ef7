// Runs `fovea` as several ranks by mpirun.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/command.h"

namespace fovea {

// Sanitizers find leaks, and more, in MPI itself.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// Whether there is a mpirun; tests that need one are skipped by name elsewhere.
inline bool has_mpirun() {
  static const bool found = [] {
    std::istringstream folders(std::getenv("PATH") ? std::getenv("PATH") : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
      if (::access((folder + "/mpirun").c_str(), X_OK) == 0) return true;
    }
    return false;
  }();
  return found;
}

// `ranks` ranks of the built `fovea`, one thread each, on any number of cores.
class RanksCommand : public Command {
 public:
  RanksCommand(const std::filesystem::path& folder, int ranks,
               const std::vector<std::string>& arguments)
      : Command(folder, line_of(ranks, arguments), 0, "mpirun") {}

 private:
  static std::vector<std::string> line_of(int ranks, const std::vector<std::string>& arguments) {
    // Without the timeout mpirun waits a second or two at the end of ranks that it kills.
    std::vector<std::string> all{"--mca",   "odls_base_sigkill_timeout", "0",
                                 "--quiet", "--allow-run-as-root",       "--oversubscribe",
                                 "-n",      std::to_string(ranks),       FOVEA_COMMAND};
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.insert(all.end(), {"--threads", "1"});
    return all;
  }
};

inline CommandResult run_ranks_command(const std::filesystem::path& folder, int ranks,
                                       const std::vector<std::string>& arguments) {
  return RanksCommand(folder, ranks, arguments).wait();
}

// Children of a process, as Linux lists them: the ranks of a mpirun.
inline std::vector<pid_t> children_of(pid_t process) {
  std::ifstream list("/proc/" + std::to_string(process) + "/task/" + std::to_string(process) +
                     "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

// The lines of a text that are an error of ours; mpirun adds its own around them.
inline std::vector<std::string> error_lines(const std::string& text) {
  std::istringstream lines(text);
  std::vector<std::string> errors;
  for (std::string line; std::getline(lines, line);) {
    // Behind what a rank that was stopped has written of a line.
    if (const auto at = line.find("fovea: error: "); at != line.npos)
      errors.push_back(line.substr(at));
  }
  return errors;
}

}  // namespace fovea
