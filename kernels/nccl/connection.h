// A communicator of NCCL that never blocks the host: every call is followed by asking how far it
// is, within a time.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/nccl/library.h"
#include "kernels/nccl/ranks_sum.h"

namespace fovea::nccl {

class Connection {
 public:
  // Error when the others do not join in time.
  explicit Connection(const Membership& membership);
  // Parts from the others. Without them when they do not part in time, and at once where an
  // exception is on its way: they may be waiting for us.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Ends what still runs on the GPU, which would otherwise wait for the other ranks for ever.
  void abandon() noexcept;

  // Sends and receives of all ranks at once, queued when it returns. body(*this) calls send() and
  // receive().
  template <class Body>
  void exchange(const std::string& what, Body&& body) {
    begin_group();
    body(*this);
    end_group(what);
  }
  void send(const float* values, std::size_t count, int to, void* queue);
  void receive(float* values, std::size_t count, int from, void* queue);

  // Waits until done() says so; meanwhile watches for errors of the other ranks. Error, and the end
  // of the connection, behind one or when the time is up.
  template <class Done>
  void wait(const std::string& what, Done&& done) {
    for (Patience patience(timeout_s_); !done(); patience.pause()) watch(what, patience.over());
  }

 private:
  class Patience {
   public:
    explicit Patience(double seconds);
    [[nodiscard]] bool over() const;
    void pause();

   private:
    std::int64_t end_ns_;
    int idle_ = 0;
  };

  [[nodiscard]] ncclResult_t state() const;
  void begin_group();
  void end_group(const std::string& what);
  void add(ncclResult_t result);
  // The call that gave `result` is done: all that it queues is queued.
  void settle(ncclResult_t result, const std::string& what);
  void watch(const std::string& what, bool late);
  [[noreturn]] void fail(ncclResult_t code, const std::string& what);
  void part() noexcept;

  ncclComm_t comm_ = nullptr;
  int exceptions_;  // on their way when this was made
  double timeout_s_;
  ncclResult_t group_ = ncclSuccess;  // the first bad result within a group
};

}  // namespace fovea::nccl
