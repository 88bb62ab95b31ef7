#include "data/resume_log.h"

#include <cerrno>
#include <cstring>

#include "data/mapped_file.h"
#include "engine/core/crc32c.h"
#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

using namespace store_format;

struct LogEntry {
  RecordEntry record;
  std::uint32_t crc = 0, zero = 0;
};
static_assert(sizeof(LogEntry) == 48);

// The longest run of entries from the start whose payloads lie one behind the other and are whole.
std::vector<RecordEntry> whole_records(const std::string& log, const std::filesystem::path& file) {
  std::vector<RecordEntry> found;
  const MappedFile partial(file);
  const Header header = new_header(kHeaderMagic);
  if (partial.bytes().size() < sizeof header ||
      std::memcmp(partial.bytes().data(), &header, sizeof header) != 0) {
    return found;  // of another version
  }
  std::uint64_t at = sizeof(Header);
  LogEntry entry;
  for (std::size_t i = sizeof(std::uint32_t); i + sizeof entry <= log.size(); i += sizeof entry) {
    std::memcpy(&entry, log.data() + i, sizeof entry);
    const RecordEntry& r = entry.record;
    if (entry.crc != crc32c(&r, sizeof r) || r.offset != at || r.offset > partial.bytes().size() ||
        r.size > partial.bytes().size() - r.offset ||
        crc32c(partial.bytes().data() + r.offset, r.size) != r.crc) {
      break;
    }
    found.push_back(r);
    at = aligned(r.offset + r.size);
  }
  return found;
}

}  // namespace

ResumeLog::ResumeLog(const std::filesystem::path& store, const std::string& key)
    : partial_(store), file_(store) {
  partial_ += ".partial";
  file_ += ".partial.log";
  const std::uint32_t id = crc32c(key.data(), key.size());
  std::error_code ignored;
  if (std::filesystem::exists(partial_, ignored) && std::filesystem::exists(file_, ignored)) {
    const std::string log = read_file(file_);
    std::uint32_t known = ~id;
    if (log.size() >= sizeof known) std::memcpy(&known, log.data(), sizeof known);
    if (known == id) found_ = whole_records(log, partial_);
  }
  out_.open(file_, std::ios::binary | std::ios::trunc);
  require(out_.good(), "cannot create ", file_.string(), ": ", std::strerror(errno));
  out_.write(reinterpret_cast<const char*>(&id), sizeof id);
  for (const RecordEntry& record : found_) append(record);
}

std::uint64_t ResumeLog::keep() const {
  return found_.empty() ? 0 : found_.back().offset + found_.back().size;
}

void ResumeLog::append(const RecordEntry& entry) {
  const LogEntry line{.record = entry, .crc = crc32c(&entry, sizeof entry)};
  out_.write(reinterpret_cast<const char*>(&line), sizeof line);
  out_.flush();
}

void ResumeLog::remove() {
  std::error_code ignored;
  out_.close();
  std::filesystem::remove(file_, ignored);
  std::filesystem::remove(partial_, ignored);
}

}  // namespace fovea
