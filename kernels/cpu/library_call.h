// Marks the time inside oneDNN, whose calls allocate on their own; the test that counts our
// allocations leaves it out.
#pragma once

#include <atomic>

namespace fovea::cpu {

class LibraryCall {
 public:
  LibraryCall() { ++depth(); }
  ~LibraryCall() { --depth(); }
  LibraryCall(const LibraryCall&) = delete;
  LibraryCall& operator=(const LibraryCall&) = delete;
  [[nodiscard]] static bool active() { return depth() > 0; }

 private:
  // Of all threads, for the library's worker threads allocate too.
  static std::atomic<int>& depth() {
    static std::atomic<int> value{0};
    return value;
  }
};

}  // namespace fovea::cpu
