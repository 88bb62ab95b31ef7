// Processes that work together, each with a number (rank) of its own from 0 on.
//
// What is made of all ranks' values (sums) is made in the order of the ranks, so the result depends
// on their number alone, bit for bit. Everything here is called by every rank, in the same order
// and with the same sizes; by any thread, one at a time.
//
// Nobody waits for ever: when no message of a call arrives or leaves for timeout_s seconds, it is
// an Error that names the ranks and `what` they were waited for ("rank 1: the gradients of conv1").
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/parallel/windows.h"

namespace fovea {

// To or from a rank.
struct RankMessage {
  int rank = 0;
  std::span<std::byte> bytes;
};

class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual int ranks_on_this_machine() const = 0;
  [[nodiscard]] virtual int rank_on_this_machine() const = 0;  // its place among those, from 0 on
  [[nodiscard]] virtual double timeout_s() const = 0;
  [[nodiscard]] bool first() const { return rank() == 0; }  // who writes files and talks

  // In place, ((rank 0 + rank 1) + rank 2) + ... for every element.
  void sum(std::span<float> values, const std::string& what);
  void sum(std::span<double> values, const std::string& what);
  // From rank 0 to all.
  void broadcast(std::span<std::byte> bytes, const std::string& what);
  [[nodiscard]] std::string broadcast(std::string text, const std::string& what);
  // Rank 0 works, however long it takes (an evaluation, a large file), and calls nothing else of
  // this meanwhile; the others wait. A thread of rank 0 gives signs of life, so a rank 0 that is
  // frozen is still named after the timeout.
  void first_does(const std::function<void()>& work, const std::string& what);
  // What every rank says, in the order of the ranks.
  [[nodiscard]] std::vector<std::string> gather(const std::string& text, const std::string& what);
  // Returns when every rank has called it.
  void barrier(const std::string& what);
  // Error on the rank whose `text` is not rank 0's: "<what> of rank 1: ..., expected ... as rank
  // 0".
  void require_same(const std::string& text, const std::string& what);

  // Ends waiting: calls that wait and calls to come throw. For a rank that has failed.
  void cancel() { cancelled_ = true; }
  // Whether a call that waits may keep its core busy (the default), or another thread computes.
  void wait_busily(bool busily) { busy_ = busily; }
  // Ends all ranks with exit code 1 behind one line on stderr: that of the first rank in their
  // order, where several fail at once.
  [[noreturn]] virtual void fail(const std::string& line) = 0;

 protected:
  // Sends and receives at once; of two ranks, messages arrive in the order in which they are sent.
  virtual void exchange(std::span<const RankMessage> sends, std::span<const RankMessage> receives,
                        const std::string& what) = 0;
  // One of each rank, where all are on one machine and share memory; none elsewhere.
  [[nodiscard]] virtual RankWindows windows() const { return {}; }
  // Where there are windows: returns when `reached` is true of all of them but this rank's.
  virtual void wait_for_windows(const ReachedInWindow& reached, const std::string& what);

  std::atomic<bool> cancelled_ = false, busy_ = true;

 private:
  template <class T>
  void sum_whole(std::span<T> values, const std::string& what);
  template <class T>
  void sum_slices(std::span<T> values, const std::string& what);
  template <class T>
  void sum_values(std::span<T> values, const std::string& what);

  std::vector<std::byte> received_;
};

// Whether a launcher (mpirun, srun) says in the environment that this process is one of several
// ranks. Costs nothing and calls nothing of MPI.
[[nodiscard]] bool launched_as_rank();

// How the names of the variables begin by which launchers (Open MPI, PMIx, PMI 1 and 2, Hydra,
// Intel MPI) tell a process which rank it is and where the others are. A process that a rank starts
// is no rank: it must not find them.
inline constexpr std::array<std::string_view, 8> kLauncherVariables{
    "OMPI_", "PMIX_", "PMI_", "PMI2_", "MPI_", "HYDI_", "HYDRA_", "I_MPI_"};

// The ranks that this process was launched with; without a launcher one rank alone, and no call of
// MPI. Error when there is a launcher and this build has no MPI.
[[nodiscard]] std::unique_ptr<Communicator> join_ranks(double timeout_s);

}  // namespace fovea
