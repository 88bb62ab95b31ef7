// The only source that knows MPI: messages between two ranks, and memory that the ranks of a
// machine share; nothing else of it is used.
#include "engine/parallel/mpi.h"

#include <mpi.h>

#include <chrono>
#include <climits>
#include <iostream>
#include <limits>
#include <new>
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
    if (here_ == size_) open_windows(here);
    MPI_Comm_free(&here);
  }
  ~Mpi() override {
    if (memory_ != MPI_WIN_NULL) MPI_Win_free(&memory_);
    MPI_Finalize();
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int ranks_on_this_machine() const override { return here_; }
  [[nodiscard]] double timeout_s() const override { return timeout_s_; }
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
                const std::string& what) override {
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
    await(
        [&] {
          std::size_t left = 0;
          for (MPI_Request& request : requests) {
            int done = 0;  // a null request is done
            check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
            left += done ? 0 : 1;
          }
          return left;
        },
        [&](int r) {
          for (std::size_t i = 0; i < requests.size(); ++i) {
            if (others[i] == r && requests[i] != MPI_REQUEST_NULL) return true;
          }
          return false;
        },
        what);
  }

  [[nodiscard]] RankWindows windows() const override { return windows_; }
  void wait_for_windows(const ReachedInWindow& reached, const std::string& what) override {
    const auto missing = [&](int r) {
      return r != rank_ && !reached(*windows_[static_cast<std::size_t>(r)]);
    };
    await(
        [&] {
          std::size_t left = 0;
          for (int r = 0; r < size_; ++r) left += missing(r) ? 1 : 0;
          return left;
        },
        missing, what);
  }

 private:
  void open_windows(MPI_Comm here) {
    // Open MPI aligns to 8 bytes; every process maps whole pages, so all find the same place.
    constexpr std::size_t kBytes = sizeof(RankWindow) + alignof(RankWindow);
    void* memory = nullptr;
    check(MPI_Win_allocate_shared(kBytes, 1, MPI_INFO_NULL, here, &memory, &memory_),
          "MPI_Win_allocate_shared");
    for (int r = 0; r < size_; ++r) {
      MPI_Aint bytes = 0;
      int unit = 0;
      check(MPI_Win_shared_query(memory_, r, &bytes, &unit, &memory), "MPI_Win_shared_query");
      std::size_t space = kBytes;
      void* aligned = std::align(alignof(RankWindow), sizeof(RankWindow), memory, space);
      windows_.push_back(r == rank_ ? ::new (aligned) RankWindow
                                    : static_cast<RankWindow*>(aligned));
    }
    check(MPI_Barrier(here), "MPI_Barrier");  // all counters are there
  }

  // Returns when nothing is left. Error when that does not become less within the timeout, naming
  // the ranks that are `silent`.
  template <class CountLeft, class Silent>
  void await(const CountLeft& count_left, const Silent& silent, const std::string& what) {
    auto last = Clock::now();
    std::size_t left = std::numeric_limits<std::size_t>::max();
    for (int idle = 0;;) {
      const std::size_t now_left = count_left();
      if (now_left == 0) return;
      require(!cancelled_, "cancelled: ", what);
      if (now_left < left) left = now_left, last = Clock::now(), idle = 0;
      if (std::chrono::duration<double>(Clock::now() - last).count() > timeout_s_)
        throw Error(silence(silent, what));
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

  template <class Silent>
  [[nodiscard]] std::string silence(const Silent& silent, const std::string& what) const {
    std::string names;
    for (int r = 0; r < size_; ++r) {
      if (silent(r)) names += str(names.empty() ? "" : ", ", r);
    }
    return str("no answer from rank ", names, " of ", size_, " within ", timeout_s_,
               " s (--comm-timeout), waited for: ", what);
  }

  double timeout_s_;
  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, rank_here_ = 0, here_ = 1;
  MPI_Win memory_ = MPI_WIN_NULL;
  std::vector<RankWindow*> windows_;
};

}  // namespace

std::unique_ptr<Communicator> join_mpi_ranks(double timeout_s) {
  return std::make_unique<Mpi>(timeout_s);
}

}  // namespace fovea
