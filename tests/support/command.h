// Runs the built `fovea` command, or another program, as a process of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/file.h"

namespace fovea {

struct CommandResult {
  int code = -1;  // exit code; -1: ended by a signal
  std::string out, err;
};

// A running command; killed at the end when nobody waited for it.
class Command {
 public:
  // stdout and stderr go to files in `folder`. `max_file_bytes` > 0 bounds what may be written to
  // any one file: further writes fail, as on a full disk. `program`: another than the built fovea.
  Command(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
          rlim_t max_file_bytes = 0, const char* program = FOVEA_COMMAND)
      : out_(folder / "command.out"), err_(folder / "command.err") {
    std::vector<char*> argv{const_cast<char*>(program)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const std::string out = out_.string(), err = err_.string();
    pid_ = ::fork();
    if (pid_ == 0) run_child(argv, out, err, max_file_bytes);
  }
  ~Command() {
    if (pid_ > 0) kill();
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  CommandResult wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(out_), read_file(err_)};
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void send(int signal) const { ::kill(pid_, signal); }
  // SIGKILL: what a power cut or the kernel does to a process.
  CommandResult kill() {
    send(SIGKILL);
    return wait();
  }

 private:
  [[noreturn]] static void run_child(std::vector<char*>& argv, const std::string& out,
                                     const std::string& err, rlim_t max_file_bytes) {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
    ::dup2(::open(out.c_str(), kFlags, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), kFlags, 0600), STDERR_FILENO);
    if (max_file_bytes > 0) {
      const rlimit limit{max_file_bytes, max_file_bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      ::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit fails with EFBIG instead
    }
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }

  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
};

inline CommandResult run_command(const std::filesystem::path& folder,
                                 const std::vector<std::string>& arguments,
                                 rlim_t max_file_bytes = 0) {
  return Command(folder, arguments, max_file_bytes).wait();
}

// Whether `text` is one line: what a user mistake must give on stderr.
inline bool is_one_line(const std::string& text) {
  return !text.empty() && text.find('\n') == text.size() - 1;
}

// The command ended with code 1 and one line that has every one of `parts`.
inline void expect_mistake(const CommandResult& result, const std::vector<std::string>& parts) {
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(is_one_line(result.err)) << result.err;
  EXPECT_TRUE(result.err.starts_with("fovea: error: ")) << result.err;
  for (const std::string& part : parts)
    EXPECT_NE(result.err.find(part), std::string::npos) << part << " is not in " << result.err;
}

}  // namespace fovea
