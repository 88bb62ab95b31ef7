#include "engine/study/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "engine/core/error.h"

namespace fovea::study {
namespace {

// Between fork and exec: calls to the system only. posix_spawn would be shorter, but cannot ask
// for the parent-death signal, and asked for later it comes too late for a parent that is gone.
[[noreturn]] void become(const char* program, char* const* argv, char* const* environment, int log,
                         int inherited, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before it could be watched
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  if (inherited >= 0) ::fcntl(inherited, F_SETFD, 0);
  ::execve(program, argv, environment);
  ::_exit(127);
}

std::vector<std::string> environment_of(const ChildOptions& o) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    bool ours = true;
    for (const auto& [name, value] : o.environment) ours &= !text.starts_with(name + "=");
    for (const std::string_view beginning : o.without) ours &= !text.starts_with(beginning);
    if (ours) all.push_back(text);
  }
  for (const auto& [name, value] : o.environment) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ChildProcess::ChildProcess(const ChildOptions& o) {
  std::vector<std::string> arguments{o.program.filename().string()};
  arguments.insert(arguments.end(), o.arguments.begin(), o.arguments.end());
  std::vector<std::string> environment = environment_of(o);
  const std::vector<char*> argv = pointers_to(arguments), envp = pointers_to(environment);
  const int log = ::open(o.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  require(log >= 0, "cannot write ", o.log.string(), ": ", std::strerror(errno));
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  const int error = errno;
  if (pid_ == 0) become(o.program.c_str(), argv.data(), envp.data(), log, o.inherited, parent);
  ::close(log);
  require(pid_ > 0, "cannot start ", o.program.string(), ": ", std::strerror(error));
}

ChildProcess::~ChildProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<ChildExit> ChildProcess::poll() {
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  pid_ = -1;
  if (ended > 0 && WIFSIGNALED(status)) return ChildExit{.signal = WTERMSIG(status)};
  return ChildExit{.code = ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127};
}

void ChildProcess::ask_to_stop() const {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

}  // namespace fovea::study
