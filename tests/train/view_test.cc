// What `fovea train` shows: lines redrawn in place on a terminal, plain lines elsewhere.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <regex>

#include "tests/train/toy_run.h"

namespace fovea {
namespace {

// The command with a terminal of `columns` as its stderr; what it wrote there.
std::string shown_on_terminal(const std::vector<std::string>& arguments, unsigned short columns) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  ::grantpt(terminal), ::unlockpt(terminal);
  const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  const std::string name = ::ptsname(terminal);
  const int side = ::open(name.c_str(), O_RDWR | O_NOCTTY);
  ::ioctl(side, TIOCSWINSZ, &size);
  std::vector<char*> argv{const_cast<char*>("fovea")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(side, STDERR_FILENO);
    ::close(terminal);
    ::execv(FOVEA_COMMAND, argv.data());
    ::_exit(127);
  }
  ::close(side);
  std::string shown;
  char bytes[4096];
  for (ssize_t n = 0; (n = ::read(terminal, bytes, sizeof bytes)) > 0;)
    shown.append(bytes, static_cast<std::size_t>(n));
  ::close(terminal);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << shown;
  return shown;
}

const std::vector<std::string> kEvaluated{"--set", "evaluation.interval=6", "--set",
                                          "evaluation.split=test"};

TEST(TrainView, RedrawsItsLinesInPlaceAndWipesThem) {
  const ToyRun toy(12);
  const std::string shown = shown_on_terminal(toy.train("run", kEvaluated), 100);
  for (const char* part : {"training  [###", "12/12", "images/s  ETA 0:00:0", "smoothed ",
                           "accuracy ", "lr 0.0002", "evaluation at 6: accuracy ", "\x1b[2A\r"})
    EXPECT_NE(shown.find(part), std::string::npos) << part << " is not in " << shown;
  EXPECT_NE(shown.find("\r\x1b[J"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("iteration 3/12"), std::string::npos) << shown;  // no plain lines
}

TEST(TrainView, NothingWrapsOnANarrowTerminal) {
  const ToyRun toy(6);
  const std::string shown = shown_on_terminal(toy.train("run", kEvaluated), 40);
  const std::regex drawn("[\r\n]([^\r\n\x1b]*)\x1b\\[K");
  int lines = 0;
  for (auto line = std::sregex_iterator(shown.begin(), shown.end(), drawn);
       line != std::sregex_iterator(); ++line, ++lines)
    EXPECT_LT((*line)[1].length(), 40) << (*line)[1];
  EXPECT_GE(lines, 3) << shown;
}

TEST(TrainView, WritesPlainLinesOffATerminal) {
  const ToyRun toy(12);
  const CommandResult result = run_command(toy.path(), toy.train("run", kEvaluated));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::regex line(
      "iteration 3/12  loss \\d\\.\\d{4}  smoothed \\d\\.\\d{4}  lr \\S+  accuracy \\d\\.\\d{3}  "
      "\\d+\\.\\d images/s  ETA \\d:\\d\\d:\\d\\d\n");
  EXPECT_TRUE(std::regex_search(result.err, line)) << result.err;
  EXPECT_NE(result.err.find("  evaluation: accuracy "), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos) << result.err;
  std::vector<std::string> quiet = kEvaluated;
  quiet.emplace_back("--quiet");
  EXPECT_EQ(run_command(toy.path(), toy.train("quiet", quiet)).err, "");
}

}  // namespace
}  // namespace fovea
