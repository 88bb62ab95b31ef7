// Processes that work together, each with a number (rank) of its own from 0 on.
//
// What is made of all ranks' values (sums) is made in the order of the ranks, so the result depends
// on their number alone, bit for bit. Everything here is called by every rank, in the same order
// and with the same sizes; by any thread, one at a time.
//
// Nobody waits for ever: when no message of a call arrives or leaves for timeout_s seconds, it is
// an Error that names the ranks and `what` they were waited for ("rank 1: the gradients of conv1").
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fovea {

enum class Patience : std::uint8_t {
  kTimeout,
  kEndless,  // for what takes one rank as long as it takes: an evaluation, a large file
};

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
  [[nodiscard]] bool first() const { return rank() == 0; }     // who writes files and talks

  // In place, ((rank 0 + rank 1) + rank 2) + ... for every element.
  void sum(std::span<float> values, const std::string& what);
  void sum(std::span<double> values, const std::string& what);
  // From rank 0 to all.
  void broadcast(std::span<std::byte> bytes, const std::string& what,
                 Patience patience = Patience::kTimeout);
  [[nodiscard]] std::string broadcast(std::string text, const std::string& what);
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
                        const std::string& what, Patience patience) = 0;

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

// The ranks that this process was launched with; without a launcher one rank alone, and no call of
// MPI. Error when there is a launcher and this build has no MPI.
[[nodiscard]] std::unique_ptr<Communicator> join_ranks(double timeout_s);

}  // namespace fovea
