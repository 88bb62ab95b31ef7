#include "kernels/nccl/connection.h"

#include <chrono>
#include <cstring>
#include <exception>
#include <thread>

namespace fovea::nccl {
namespace {

std::int64_t now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

bool bad(ncclResult_t result) { return result != ncclSuccess && result != ncclInProgress; }

}  // namespace

Connection::Patience::Patience(double seconds)
    : end_ns_(now_ns() + static_cast<std::int64_t>(seconds * 1e9)) {}
bool Connection::Patience::over() const { return now_ns() > end_ns_; }
// Most waits are short.
void Connection::Patience::pause() {
  if (++idle_ < 1000) return std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::microseconds(50));
}

Connection::Connection(const Membership& membership)
    : exceptions_(std::uncaught_exceptions()), timeout_s_(membership.timeout_s) {
  ncclUniqueId id{};
  expects(membership.id.size() == sizeof id.internal, "an id of make_id()");
  std::memcpy(id.internal, membership.id.data(), sizeof id.internal);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  settle(api().ncclCommInitRankConfig(&comm_, membership.size, id, membership.rank, &config),
         "the ranks to join");
}

Connection::~Connection() {
  if (std::uncaught_exceptions() == exceptions_) part();
  abandon();
}

void Connection::part() noexcept {
  if (!comm_) return;
  try {
    settle(api().ncclCommFinalize(comm_), "the ranks to part");
    if (!bad(api().ncclCommDestroy(comm_))) comm_ = nullptr;
  } catch (const Error&) {  // settle() has abandoned it
  }
}

void Connection::abandon() noexcept {
  if (comm_) (void)api().ncclCommAbort(comm_);
  comm_ = nullptr;
}

ncclResult_t Connection::state() const {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = api().ncclCommGetAsyncError(comm_, &state);
  return asked == ncclSuccess ? state : asked;
}

void Connection::settle(ncclResult_t result, const std::string& what) {
  if (bad(result)) fail(result, what);
  wait(what, [&] { return state() == ncclSuccess; });
}

void Connection::watch(const std::string& what, bool late) {
  const ncclResult_t now = state();
  if (bad(now)) fail(now, what);
  if (!late) return;
  abandon();
  throw Error(str("no answer from the other ranks within ", timeout_s_,
                  " s (--comm-timeout), waited for by NCCL: ", what));
}

void Connection::fail(ncclResult_t code, const std::string& what) {
  const char* words = comm_ ? api().ncclGetLastError(comm_) : nullptr;
  const std::string line =
      str("NCCL: ", api().ncclGetErrorString(code), words && *words ? ": " : "", words ? words : "",
          ", waited for: ", what);
  abandon();
  throw Error(line);
}

void Connection::begin_group() {
  group_ = ncclSuccess;
  add(api().ncclGroupStart());
}

// The group is ended whatever was wrong within it: the calling thread stays in it otherwise.
void Connection::end_group(const std::string& what) {
  const ncclResult_t ended = api().ncclGroupEnd();
  settle(bad(group_) ? group_ : ended, what);
}

void Connection::add(ncclResult_t result) {
  if (!bad(group_)) group_ = result;
}

void Connection::send(const float* values, std::size_t count, int to, void* queue) {
  add(api().ncclSend(values, count, ncclFloat32, to, comm_, static_cast<cudaStream_t>(queue)));
}
void Connection::receive(float* values, std::size_t count, int from, void* queue) {
  add(api().ncclRecv(values, count, ncclFloat32, from, comm_, static_cast<cudaStream_t>(queue)));
}

}  // namespace fovea::nccl
