#include "engine/parallel/communicator.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "engine/core/error.h"
#include "engine/parallel/mpi.h"
#include "engine/parallel/slices.h"

namespace fovea {
namespace {

// Up to here one exchange of everything with everybody costs less than two of slices.
constexpr std::size_t kWholeBytes = 4096;
// Sums of more go piece by piece, which bounds what is received at once.
constexpr std::size_t kPieceBytes = std::size_t{8} << 20;

class Alone final : public Communicator {
 public:
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] int ranks_on_this_machine() const override { return 1; }
  [[nodiscard]] double timeout_s() const override { return 0; }
  [[nodiscard]] int rank_on_this_machine() const override { return 0; }
  [[noreturn]] void fail(const std::string& line) override { throw Error(line); }

 protected:
  void exchange(std::span<const RankMessage>, std::span<const RankMessage>,
                const std::string&) override {}
};

template <class T>
std::span<std::byte> bytes_of(std::span<T> values) {
  return std::as_writable_bytes(values);
}

}  // namespace

// Everybody sends all of it to everybody and adds up by itself.
template <class T>
void Communicator::sum_whole(std::span<T> values, const std::string& what) {
  received_.resize(values.size_bytes() * static_cast<std::size_t>(size() - 1));
  std::vector<RankMessage> sends, receives;
  std::vector<const T*> parts;
  std::byte* place = received_.data();
  for (int r = 0; r < size(); ++r) {
    parts.push_back(r == rank() ? values.data() : reinterpret_cast<const T*>(place));
    if (r == rank()) continue;
    sends.push_back({r, bytes_of(values)});
    receives.push_back({r, {place, values.size_bytes()}});
    place += values.size_bytes();
  }
  exchange(sends, receives, what);
  add_in_order<T>(parts, values);
}

// Every rank adds up one slice of the values and sends that to the others: each value crosses
// twice, however many ranks there are.
template <class T>
void Communicator::sum_slices(std::span<T> values, const std::string& what) {
  const std::span<T> own = slice(values, rank(), size());
  received_.resize(own.size_bytes() * static_cast<std::size_t>(size() - 1));
  std::vector<RankMessage> parts, own_parts, sums, own_sums;
  std::vector<const T*> summands;
  std::byte* place = received_.data();
  for (int r = 0; r < size(); ++r) {
    summands.push_back(r == rank() ? own.data() : reinterpret_cast<const T*>(place));
    if (r == rank()) continue;
    parts.push_back({r, bytes_of(slice(values, r, size()))});
    own_parts.push_back({r, {place, own.size_bytes()}});
    own_sums.push_back({r, bytes_of(own)});
    place += own.size_bytes();
  }
  exchange(parts, own_parts, what);
  add_in_order<T>(summands, own);
  // The others' sums come to where their parts lay.
  exchange(own_sums, parts, what);
}

template <class T>
void Communicator::sum_values(std::span<T> values, const std::string& what) {
  if (size() == 1) return;
  if (values.size_bytes() <= kWholeBytes) return sum_whole(values, what);
  if (!windows().empty()) {
    return sum_in_windows(values, rank(), windows(),
                          [&](const auto& reached) { wait_for_windows(reached, what); });
  }
  constexpr std::size_t kPiece = kPieceBytes / sizeof(T);
  for (std::size_t first = 0; first < values.size(); first += kPiece)
    sum_slices(values.subspan(first, std::min(kPiece, values.size() - first)), what);
}

void Communicator::sum(std::span<float> values, const std::string& what) {
  sum_values(values, what);
}
void Communicator::sum(std::span<double> values, const std::string& what) {
  sum_values(values, what);
}

void Communicator::wait_for_windows(const ReachedInWindow&, const std::string&) {
  expects(false, "ranks that share memory");
}

void Communicator::broadcast(std::span<std::byte> bytes, const std::string& what) {
  std::vector<RankMessage> sends, receives;
  for (int r = 1; r < size(); ++r) {
    if (first()) sends.push_back({r, bytes});
  }
  if (!first()) receives.push_back({0, bytes});
  if (size() > 1) exchange(sends, receives, what);
}

std::string Communicator::broadcast(std::string text, const std::string& what) {
  std::uint64_t length = text.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)), what);
  text.resize(length);
  broadcast(std::as_writable_bytes(std::span(text)), what);
  return text;
}

void Communicator::first_does(const std::function<void()>& work, const std::string& what) {
  std::byte working{1}, done{0};
  if (!first()) {
    for (std::byte sign = working; sign == working;) broadcast({&sign, 1}, what);
    return;
  }
  if (size() == 1) return work();
  const std::chrono::duration<double> interval(std::min(1.0, timeout_s() / 4));
  std::exception_ptr unheard;
  {
    const std::jthread signs([&](const std::stop_token& stop) {
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any stopped;
      try {
        while (!stopped.wait_for(lock, stop, interval, [&] { return stop.stop_requested(); }))
          broadcast({&working, 1}, what);
      } catch (...) {
        unheard = std::current_exception();
      }
    });
    work();
  }
  if (unheard) std::rethrow_exception(unheard);
  broadcast({&done, 1}, what);
}

// Sums of what all ranks but one have as zero: lengths first, then the letters.
std::vector<std::string> Communicator::gather(const std::string& text, const std::string& what) {
  std::vector<double> lengths(static_cast<std::size_t>(size()));
  const auto own = static_cast<std::size_t>(rank());
  lengths[own] = static_cast<double>(text.size());
  sum(lengths, what);
  std::vector<std::string> texts;
  std::size_t longest = 0;
  for (const double length : lengths) {
    texts.emplace_back(static_cast<std::size_t>(length), '\0');
    longest = std::max(longest, texts.back().size());
  }
  std::vector<double> letters(longest * texts.size());
  for (std::size_t i = 0; i < text.size(); ++i)
    letters[own * longest + i] = static_cast<unsigned char>(text[i]);
  sum(letters, what);
  for (std::size_t r = 0; r < texts.size(); ++r) {
    for (std::size_t i = 0; i < texts[r].size(); ++i)
      texts[r][i] = static_cast<char>(static_cast<unsigned char>(letters[r * longest + i]));
  }
  return texts;
}

void Communicator::barrier(const std::string& what) {
  double nothing = 0;
  sum(std::span(&nothing, 1), what);
}

void Communicator::require_same(const std::string& text, const std::string& what) {
  const std::string expected = broadcast(text, what);
  require(text == expected, what, " of rank ", rank(), ": ", text, ", expected ", expected,
          " as rank 0");
  barrier(what);  // nobody goes on beside a rank that does not
}

bool launched_as_rank() {
  // Open MPI; MPICH, Intel MPI and srun --mpi=pmi2.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const char* size = std::getenv(name)) return std::string_view(size) != "1";
  }
  // srun --mpi=pmix, which may be a cluster's default for single processes, too.
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  return std::getenv("PMIX_RANK") && !(tasks && std::string_view(tasks) == "1");
}

std::unique_ptr<Communicator> join_ranks(double timeout_s) {
  if (!launched_as_rank()) return std::make_unique<Alone>();
  return join_mpi_ranks(timeout_s);
}

}  // namespace fovea
