// A stand-in for libnccl whose ranks are threads of this process. It carries values from one to
// another as NCCL's documentation says, and is stricter than it is: nothing may be called while a
// call is in progress, what is sent and received within a group must not overlap, and both sides
// must agree on sizes. It knows nothing of how Fovea calls it.
//
// Nothing blocks: a group's values move when the ranks ask how far it is (ncclCommGetAsyncError).
//
// Settings: version (22809); fail (the next group ends with ncclSystemError); lose (the next
// question how far a call is finds another rank dead).
#include <nccl.h>

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

extern "C" {
void fake_nccl_set(const char* name, int value);
int fake_nccl_get(const char* name);
// Communicators that were made and not let go; values that were sent and not received.
int fake_nccl_live();
int fake_nccl_on_the_way();
// Messages since the last question: on this stream, less those on others.
int fake_nccl_on_stream(void* stream);
}

namespace {

struct World {
  int size = 0;
  std::vector<bool> joined, parted;
  std::map<std::pair<int, int>, std::deque<std::vector<float>>> boxes;  // (from, to)
};

struct Move {
  bool send;
  const float* begin;
  std::size_t count;
  int peer;

  [[nodiscard]] bool overlaps(const Move& other) const {
    return begin < other.begin + other.count && other.begin < begin + count;
  }
};

std::mutex mutex;  // of all of this
std::map<std::string, World> worlds;
std::map<std::string, int> settings = {{"version", 22809}};
std::vector<void*> streams;  // of all messages
int live = 0, ids = 0;

// Taken once.
bool take(const char* name) {
  const bool on = settings[name] > 0;
  settings[name] = 0;
  return on;
}

bool all(const std::vector<bool>& flags) {
  for (const bool flag : flags) {
    if (!flag) return false;
  }
  return true;
}

}  // namespace

struct ncclComm {
  World* world;
  int rank;
  enum { kJoining, kReady, kMoving, kParting, kParted } stage = kJoining;
  ncclResult_t broken = ncclSuccess;
  std::string words;
  std::vector<Move> group, awaited;  // of the open group; receives that are in progress

  ncclResult_t refuse(const std::string& why) {
    words = why;
    return broken = ncclInvalidUsage;
  }
  [[nodiscard]] bool ready() {
    if (stage != kReady) refuse("a call while another is in progress, or behind the end");
    return stage == kReady;
  }
};

namespace {

thread_local int depth = 0;
thread_local ncclComm* in_group =
    nullptr;  // one communicator in a group is all that is asked of it

// What has come for the receives that are awaited, in the order of the calls.
ncclResult_t receive(ncclComm& c) {
  while (!c.awaited.empty()) {
    const Move& move = c.awaited.front();
    auto& box = c.world->boxes[{move.peer, c.rank}];
    if (box.empty()) return ncclInProgress;
    if (box.front().size() != move.count) return c.refuse("sizes of sender and receiver differ");
    std::copy(box.front().begin(), box.front().end(), const_cast<float*>(move.begin));
    box.pop_front();
    c.awaited.erase(c.awaited.begin());
  }
  c.stage = ncclComm::kReady;
  return ncclSuccess;
}

ncclResult_t progress(ncclComm& c) {
  if (c.broken != ncclSuccess) return c.broken;
  if (take("lose")) {
    c.words = "the stand-in's own words";
    return c.broken = ncclRemoteError;
  }
  if (c.stage == ncclComm::kMoving) return receive(c);
  if (c.stage == ncclComm::kJoining && all(c.world->joined)) c.stage = ncclComm::kReady;
  if (c.stage == ncclComm::kParting && all(c.world->parted)) c.stage = ncclComm::kParted;
  const bool waits = c.stage == ncclComm::kJoining || c.stage == ncclComm::kParting;
  return waits ? ncclInProgress : ncclSuccess;
}

ncclResult_t add(ncclComm_t comm, const Move& move, ncclDataType_t type, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  streams.push_back(stream);
  if (!comm || !comm->ready()) return ncclInvalidUsage;
  if (depth == 0) return comm->refuse("a message outside of a group");
  if (in_group && in_group != comm) return comm->refuse("two communicators in a group");
  in_group = comm;
  if (type != ncclFloat32 || !move.begin || move.count == 0)
    return comm->refuse("a message of no float");
  if (move.peer < 0 || move.peer >= comm->world->size) return comm->refuse("no such rank");
  for (const Move& other : comm->group) {
    if (move.overlaps(other) && !(move.send && other.send)) return comm->refuse("an overlap");
  }
  comm->group.push_back(move);
  return ncclSuccess;
}

void let_go(ncclComm* comm) {
  delete comm;
  --live;
}

}  // namespace

void fake_nccl_set(const char* name, int value) {
  const std::lock_guard lock(mutex);
  settings[name] = value;
}
int fake_nccl_get(const char* name) {
  const std::lock_guard lock(mutex);
  return settings[name];
}
int fake_nccl_live() {
  const std::lock_guard lock(mutex);
  return live;
}
int fake_nccl_on_the_way() {
  const std::lock_guard lock(mutex);
  std::size_t count = 0;
  for (const auto& [id, world] : worlds) {
    for (const auto& [ranks, box] : world.boxes) count += box.size();
  }
  worlds.clear();
  return static_cast<int>(count);
}
int fake_nccl_on_stream(void* stream) {
  const std::lock_guard lock(mutex);
  int count = 0;
  for (void* used : streams) count += used == stream ? 1 : -1;
  streams.clear();
  return count;
}

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = fake_nccl_get("version");
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote error" : "another error";
}
const char* ncclGetLastError(ncclComm_t comm) {
  const std::lock_guard lock(mutex);
  return comm->words.c_str();
}

// Bytes of every value, zeros among them.
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::lock_guard lock(mutex);
  ++ids;
  for (int i = 0; i < NCCL_UNIQUE_ID_BYTES; ++i)
    id->internal[i] = static_cast<char>(i == 0 ? ids : 2 * i);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  const std::lock_guard lock(mutex);
  const ncclConfig_t expected = NCCL_CONFIG_INITIALIZER;
  if (config->size != expected.size || config->magic != expected.magic || config->blocking != 0 ||
      rank < 0 || rank >= size)
    return ncclInvalidArgument;
  World& world = worlds[std::string(id.internal, sizeof id.internal)];
  if (world.size == 0) {
    world.size = size;
    world.joined.resize(static_cast<std::size_t>(size));
    world.parted.resize(static_cast<std::size_t>(size));
  }
  const auto place = static_cast<std::size_t>(rank);
  if (world.size != size || world.joined[place]) return ncclInvalidArgument;
  world.joined[place] = true;
  *comm = new ncclComm{.world = &world, .rank = rank, .words = {}, .group = {}, .awaited = {}};
  ++live;
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  const std::lock_guard lock(mutex);
  *state = progress(*comm);
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const std::lock_guard lock(mutex);
  if (!comm->ready()) return ncclInvalidUsage;
  comm->world->parted[static_cast<std::size_t>(comm->rank)] = true;
  comm->stage = ncclComm::kParting;
  return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const std::lock_guard lock(mutex);
  if (comm->stage != ncclComm::kParted) return comm->refuse("destroyed in front of its end");
  let_go(comm);
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const std::lock_guard lock(mutex);
  let_go(comm);
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  const std::lock_guard lock(mutex);
  if (depth-- != 1) return ncclInvalidUsage;
  ncclComm* comm = in_group;
  in_group = nullptr;
  if (take("fail")) return ncclSystemError;
  if (!comm || !comm->ready()) return ncclInvalidUsage;
  for (const Move& move : comm->group) {
    if (move.send) {
      comm->world->boxes[{comm->rank, move.peer}].emplace_back(move.begin, move.begin + move.count);
    } else {
      comm->awaited.push_back(move);
    }
  }
  comm->group.clear();
  comm->stage = ncclComm::kMoving;
  return ncclInProgress;
}

ncclResult_t ncclSend(const void* values, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  return add(comm, {true, static_cast<const float*>(values), count, peer}, type, stream);
}
ncclResult_t ncclRecv(void* values, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add(comm, {false, static_cast<const float*>(values), count, peer}, type, stream);
}

}  // extern "C"
