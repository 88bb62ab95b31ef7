// The only source that knows MPI: messages between two ranks, nothing else of it is used.
#include "engine/parallel/mpi.h"

#include <mpi.h>

#include <chrono>
#include <climits>
#include <iostream>
#include <thread>

#include "engine/core/error.h"

namespace fovea {
namespace {

using Clock = std::chrono::steady_clock;

// How long a rank that failed lets those in front of it speak first: what all ranks find wrong is
// then said once, by rank 0, which ends the others.
constexpr auto kPrecedence = std::chrono::milliseconds(500);

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(str("MPI failed in ", what, ": ", std::string(text, static_cast<std::size_t>(length)),
                  ", expected success"));
}

class Mpi final : public Communicator {
 public:
  explicit Mpi(double timeout_s) : timeout_s_(timeout_s) {
    int level = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
    require(level >= MPI_THREAD_SERIALIZED, "MPI allows calls of one thread only: level ", level,
            ", expected MPI_THREAD_SERIALIZED (", MPI_THREAD_SERIALIZED, ")");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &ranks_), "MPI_Comm_dup");
    check(MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(ranks_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(ranks_, &size_), "MPI_Comm_size");
    MPI_Comm here = MPI_COMM_NULL;
    check(MPI_Comm_split_type(ranks_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &here),
          "MPI_Comm_split_type");
    check(MPI_Comm_size(here, &here_), "MPI_Comm_size");
    check(MPI_Comm_rank(here, &rank_here_), "MPI_Comm_rank");
    MPI_Comm_free(&here);
  }
  ~Mpi() override { MPI_Finalize(); }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int ranks_on_this_machine() const override { return here_; }
  [[nodiscard]] int rank_on_this_machine() const override { return rank_here_; }

  [[noreturn]] void fail(const std::string& line) override {
    if (rank_ > 0) std::this_thread::sleep_for(kPrecedence);
    const std::string who = rank_ > 0 ? str("rank ", rank_, ": ") : "";
    std::cerr << "fovea: error: " + who + line + "\n" << std::flush;
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
  }

 protected:
  void exchange(std::span<const RankMessage> sends, std::span<const RankMessage> receives,
                const std::string& what, Patience patience) override {
    std::vector<MPI_Request> requests;
    std::vector<int> others;
    const auto start = [&](const RankMessage& message, auto call, const char* name) {
      expects(message.bytes.size() <= INT_MAX, "messages below 2 GiB");
      check(call(message.bytes.data(), static_cast<int>(message.bytes.size()), MPI_BYTE,
                 message.rank, 0, ranks_, &requests.emplace_back(MPI_REQUEST_NULL)),
            name);
      others.push_back(message.rank);
    };
    requests.reserve(sends.size() + receives.size());
    for (const RankMessage& message : receives) start(message, MPI_Irecv, "MPI_Irecv");
    for (const RankMessage& message : sends) start(message, MPI_Isend, "MPI_Isend");
    wait(requests, others, what, patience);
  }

 private:
  void wait(std::vector<MPI_Request>& requests, const std::vector<int>& others,
            const std::string& what, Patience patience) {
    auto last = Clock::now();
    std::size_t left = requests.size();
    for (int idle = 0; left > 0;) {
      std::size_t now_left = 0;
      for (MPI_Request& request : requests) {
        int done = 0;  // a null request is done
        check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
        now_left += done ? 0 : 1;
      }
      if (now_left == 0) return;
      require(!cancelled_, "cancelled: ", what);
      if (now_left < left) left = now_left, last = Clock::now(), idle = 0;
      if (patience == Patience::kTimeout &&
          std::chrono::duration<double>(Clock::now() - last).count() > timeout_s_)
        throw Error(silence(requests, others, what));
      pause(++idle);
    }
  }

  // Soon after something happened more is likely to. Where nobody else needs the core, waiting
  // busily saves the time of waking up; the processes that are waited for may need it, though.
  void pause(int idle) const {
    using std::chrono::microseconds;
    if (busy_ && idle < 1000) return std::this_thread::yield();
    std::this_thread::sleep_for(microseconds(busy_ ? 50 : idle < 20 ? 100 : 500));
  }

  [[nodiscard]] std::string silence(const std::vector<MPI_Request>& requests,
                                    const std::vector<int>& others, const std::string& what) const {
    std::vector<bool> silent(static_cast<std::size_t>(size_));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests[i] != MPI_REQUEST_NULL) silent[static_cast<std::size_t>(others[i])] = true;
    }
    std::string names;
    for (int r = 0; r < size_; ++r) {
      if (silent[static_cast<std::size_t>(r)]) names += str(names.empty() ? "" : ", ", r);
    }
    return str("no answer from rank ", names, " of ", size_, " within ", timeout_s_,
               " s (--comm-timeout), waited for: ", what);
  }

  double timeout_s_;
  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, rank_here_ = 0, here_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> join_mpi_ranks(double timeout_s) {
  return std::make_unique<Mpi>(timeout_s);
}

}  // namespace fovea
