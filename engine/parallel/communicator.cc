#include "engine/parallel/communicator.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "engine/core/error.h"
#include "engine/parallel/mpi.h"

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
  [[nodiscard]] int rank_on_this_machine() const override { return 0; }
  [[noreturn]] void fail(const std::string& line) override { throw Error(line); }

 protected:
  void exchange(std::span<const RankMessage>, std::span<const RankMessage>, const std::string&,
                Patience) override {}
};

template <class T>
std::span<std::byte> bytes_of(std::span<T> values) {
  return std::as_writable_bytes(values);
}

// The part of `rank` of `size` in `values`.
template <class T>
std::span<T> slice(std::span<T> values, int rank, int size) {
  const auto at = [&](int r) {
    return values.size() * static_cast<std::size_t>(r) / static_cast<std::size_t>(size);
  };
  return values.subspan(at(rank), at(rank + 1) - at(rank));
}

// to = ((part 0 + part 1) + part 2) + ..., where part `rank` is `to` itself and the parts of the
// other ranks lie one behind the other in `others`. Block by block, because `to` is also written.
template <class T>
void add_in_rank_order(std::span<T> to, int rank, int size, const T* others) {
  constexpr std::size_t kBlock = 1024;
  T sums[kBlock];
  for (std::size_t first = 0; first < to.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, to.size() - first);
    for (int r = 0; r < size; ++r) {
      const auto place = static_cast<std::size_t>(r < rank ? r : r - 1);
      const T* part = r == rank ? &to[first] : others + place * to.size() + first;
      if (r == 0) {
        std::copy_n(part, count, sums);
      } else {
        for (std::size_t i = 0; i < count; ++i) sums[i] += part[i];
      }
    }
    std::copy_n(sums, count, &to[first]);
  }
}

}  // namespace

// Everybody sends all of it to everybody and adds up by itself.
template <class T>
void Communicator::sum_whole(std::span<T> values, const std::string& what) {
  received_.resize(values.size_bytes() * static_cast<std::size_t>(size() - 1));
  std::vector<RankMessage> sends, receives;
  std::byte* place = received_.data();
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    sends.push_back({r, bytes_of(values)});
    receives.push_back({r, {place, values.size_bytes()}});
    place += values.size_bytes();
  }
  exchange(sends, receives, what, Patience::kTimeout);
  add_in_rank_order(values, rank(), size(), reinterpret_cast<const T*>(received_.data()));
}

// Every rank adds up one slice of the values and sends that to the others: each value crosses
// twice, however many ranks there are.
template <class T>
void Communicator::sum_slices(std::span<T> values, const std::string& what) {
  const std::span<T> own = slice(values, rank(), size());
  received_.resize(own.size_bytes() * static_cast<std::size_t>(size() - 1));
  std::vector<RankMessage> parts, own_parts, sums, own_sums;
  std::byte* place = received_.data();
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    parts.push_back({r, bytes_of(slice(values, r, size()))});
    own_parts.push_back({r, {place, own.size_bytes()}});
    own_sums.push_back({r, bytes_of(own)});
    place += own.size_bytes();
  }
  exchange(parts, own_parts, what, Patience::kTimeout);
  add_in_rank_order(own, rank(), size(), reinterpret_cast<const T*>(received_.data()));
  // The others' sums come to where their parts lay.
  exchange(own_sums, parts, what, Patience::kTimeout);
}

template <class T>
void Communicator::sum_values(std::span<T> values, const std::string& what) {
  if (size() == 1) return;
  if (values.size_bytes() <= kWholeBytes) return sum_whole(values, what);
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

void Communicator::broadcast(std::span<std::byte> bytes, const std::string& what,
                             Patience patience) {
  std::vector<RankMessage> sends, receives;
  for (int r = 1; r < size(); ++r) {
    if (first()) sends.push_back({r, bytes});
  }
  if (!first()) receives.push_back({0, bytes});
  if (size() > 1) exchange(sends, receives, what, patience);
}

std::string Communicator::broadcast(std::string text, const std::string& what) {
  std::uint64_t length = text.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)), what);
  text.resize(length);
  broadcast(std::as_writable_bytes(std::span(text)), what);
  return text;
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
