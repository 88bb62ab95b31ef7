// Fills slots on worker threads ahead of their reader, in order, with bounded memory: prefetch + 1
// slots. Threads and prefetch change the speed, never what comes.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/core/error.h"

namespace fovea {

template <class Slot>
class ReadAhead {
 public:
  // Makes slot `index` out of an empty or an earlier one; called on the workers, for several
  // indices at once.
  using Fill = std::function<void(std::int64_t index, Slot& slot)>;

  // `slots`: prefetch + 1 of them.
  ReadAhead(std::vector<Slot> slots, std::int64_t first, int threads, Fill fill)
      : fill_(std::move(fill)), next_filled_(first), next_given_(first) {
    expects(first >= 0 && threads >= 1 && slots.size() >= 2, "something to read ahead");
    for (Slot& slot : slots) places_.push_back({.slot = std::move(slot)});
    // More workers than slots in flight would only wait.
    const int workers = std::min(threads, static_cast<int>(prefetch()));
    for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
  }
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    room_.notify_all();
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next slot; valid until the next call. What filling it threw comes out here, again at every
  // further call. For one reading thread.
  Slot& next() {
    std::unique_lock lock(mutex_);
    Place& place = place_of(next_given_);
    ready_.wait(lock, [&] { return place.ready; });
    if (place.error) std::rethrow_exception(place.error);
    place.ready = false;
    ++next_given_;
    lock.unlock();
    room_.notify_all();
    return place.slot;
  }

  // What the next call of next() gives. For the reading thread.
  [[nodiscard]] std::int64_t position() const { return next_given_; }

 private:
  struct Place {
    Slot slot;
    bool ready = false;
    std::exception_ptr error;
  };

  [[nodiscard]] std::int64_t prefetch() const { return std::ssize(places_) - 1; }
  [[nodiscard]] Place& place_of(std::int64_t index) {
    return places_[static_cast<std::size_t>(index) % places_.size()];
  }

  void work() {
    for (;;) {
      std::int64_t index = 0;
      {
        std::unique_lock lock(mutex_);
        // The slot before next_given_ is the reader's until the next call, so it stays untouched.
        room_.wait(lock, [&] { return stop_ || next_filled_ < next_given_ + prefetch(); });
        if (stop_) return;
        index = next_filled_++;
      }
      Place& place = place_of(index);
      place.error = nullptr;
      try {
        fill_(index, place.slot);
      } catch (...) {
        place.error = std::current_exception();
      }
      {
        const std::lock_guard lock(mutex_);
        place.ready = true;
      }
      ready_.notify_all();
    }
  }

  Fill fill_;
  std::vector<Place> places_;  // index k lies in place k mod (prefetch + 1)
  std::mutex mutex_;           // of everything below and of Place::ready
  std::condition_variable room_, ready_;
  std::int64_t next_filled_, next_given_;
  bool stop_ = false;
  std::vector<std::jthread> workers_;  // last: they use the rest
};

}  // namespace fovea
