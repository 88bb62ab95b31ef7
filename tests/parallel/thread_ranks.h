// Ranks that are threads of this process: Communicator's own work without MPI.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "engine/core/error.h"
#include "engine/parallel/communicator.h"

namespace fovea {

class Mailboxes {
 public:
  void put(int from, int to, std::span<const std::byte> bytes) {
    {
      const std::lock_guard lock(mutex_);
      boxes_[{from, to}].emplace_back(bytes.begin(), bytes.end());
    }
    changed_.notify_all();
  }
  void leave(int rank) {
    const std::lock_guard lock(mutex_);
    left_.insert(rank);
  }
  [[nodiscard]] bool has_left(int rank) {
    const std::lock_guard lock(mutex_);
    return left_.contains(rank);
  }
  // False when nothing comes.
  bool take(int from, int to, std::span<std::byte> bytes, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    auto& box = boxes_[{from, to}];
    if (!changed_.wait_for(lock, patience, [&] { return !box.empty(); })) return false;
    expects(box.front().size() == bytes.size(), "messages of the size that is waited for");
    std::ranges::copy(box.front(), bytes.begin());
    box.pop_front();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int> left_;
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> boxes_;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(Mailboxes& boxes, int rank, int size, RankWindows windows = {})
      : boxes_(boxes), rank_(rank), size_(size), windows_(windows) {}
  ~ThreadRank() override { boxes_.leave(rank_); }
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int ranks_on_this_machine() const override { return size_; }
  [[nodiscard]] double timeout_s() const override { return 0.02; }
  [[nodiscard]] int rank_on_this_machine() const override { return rank_; }
  [[noreturn]] void fail(const std::string& line) override { throw Error(line); }

 protected:
  void exchange(std::span<const RankMessage> sends, std::span<const RankMessage> receives,
                const std::string& what) override {
    for (const RankMessage& m : sends) boxes_.put(rank_, m.rank, m.bytes);
    for (const RankMessage& m : receives) {
      while (!boxes_.take(m.rank, rank_, m.bytes, std::chrono::milliseconds(20)))
        require(!cancelled_ && !boxes_.has_left(m.rank), "no longer there: rank ", m.rank, ", ",
                what);
    }
  }
  [[nodiscard]] RankWindows windows() const override { return windows_; }
  void wait_for_windows(const ReachedInWindow& reached, const std::string& what) override {
    for (int r = 0; r < size_; ++r) {
      while (r != rank_ && !reached(*windows_[static_cast<std::size_t>(r)])) {
        require(!cancelled_ && !boxes_.has_left(r), "no longer there: rank ", r, ", ", what);
        std::this_thread::yield();
      }
    }
  }

 private:
  Mailboxes& boxes_;
  int rank_, size_;
  RankWindows windows_;
};

enum class Sharing { kMessages, kMemory };

// Calls `work` as each of `size` ranks, on a thread of its own, and returns when all are done.
inline void run_ranks(int size, const std::function<void(Communicator&)>& work,
                      Sharing sharing = Sharing::kMessages) {
  Mailboxes boxes;
  std::vector<std::unique_ptr<RankWindow>> memory;
  std::vector<RankWindow*> windows;
  for (int r = 0; r < size && sharing == Sharing::kMemory; ++r)
    windows.push_back(memory.emplace_back(std::make_unique<RankWindow>()).get());
  std::vector<std::jthread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      ThreadRank rank(boxes, r, size, windows);
      work(rank);
    });
  }
}

}  // namespace fovea
