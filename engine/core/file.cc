#include "engine/core/file.h"

#include "engine/core/json_fields.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace fovea {

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  require(!std::filesystem::is_directory(path, error), "cannot read ", path.string(),
          ": it is a folder, expected a file");
  std::ifstream in(path, std::ios::binary);
  require(in.good(), "cannot read ", path.string(), ": ", std::strerror(errno));
  std::string content{std::istreambuf_iterator<char>(in), {}};
  require(!in.bad(), "cannot read ", path.string(), ": ", std::strerror(errno));
  return content;
}

Json read_json_file(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  try {
    return Json::parse(text, nullptr, true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& error) {
    const auto at = std::min<std::size_t>(error.byte ? error.byte - 1 : 0, text.size());
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    const std::size_t line_start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    throw Error(str("syntax error in ", path.string(), ":", line, ":", at - line_start + 1,
                    ": this is not JSON from here on"));
  }
}

namespace {

void require_room(const std::filesystem::path& path, bool overwrite) {
  std::error_code ignored;
  require(overwrite || !std::filesystem::exists(path, ignored), "output exists: ", path.string(),
          ", expected a new name (or --force)");
}

struct Closer {
  int descriptor;
  ~Closer() { ::close(descriptor); }
};

}  // namespace

MadeFolders::MadeFolders(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.parent_path();
  std::error_code error;
  for (auto f = folder; !f.empty() && !std::filesystem::exists(f, error); f = f.parent_path()) {
    made_.push_back(f);
  }
  if (folder.empty()) return;
  std::filesystem::create_directories(folder, error);
  require(!error, "cannot create ", file.string(), ": ", error.message());
}

MadeFolders::~MadeFolders() {
  for (const auto& folder : made_) ::rmdir(folder.c_str());  // fails where something is in it
}

AtomicFile::AtomicFile(std::filesystem::path path, bool overwrite) : path_(std::move(path)) {
  require_room(path_, overwrite);
  temporary_ = path_;
  temporary_ += str(".tmp", ::getpid());
  open(O_TRUNC);
}

AtomicFile::AtomicFile(std::filesystem::path path, bool overwrite, std::filesystem::path partial,
                       std::uint64_t keep)
    : path_(std::move(path)), temporary_(std::move(partial)), keep_partial_(true), size_(keep) {
  require_room(path_, overwrite);
  open(0);
  const auto end = static_cast<off_t>(keep);
  if (::ftruncate(descriptor_, end) != 0 || ::lseek(descriptor_, end, SEEK_SET) != end) {
    fail("cannot write", errno);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!keep_partial_) ::unlink(temporary_.c_str());
}

void AtomicFile::open(int flags) {
  folders_.emplace(path_);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
  if (descriptor_ < 0) fail("cannot create", errno);
}

void AtomicFile::fail(const char* action, int error) {
  throw Error(str(action, " ", path_.string(), ": ", std::strerror(error)));
}

void AtomicFile::write(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  for (std::size_t done = 0; done < size;) {
    const ssize_t written = ::write(descriptor_, bytes + done, size - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", errno);
    done += static_cast<std::size_t>(written);
  }
  size_ += size;
}

void AtomicFile::copy(const std::filesystem::path& source) {
  const int from = ::open(source.c_str(), O_RDONLY | O_CLOEXEC);
  require(from >= 0, "cannot read ", source.string(), ": ", std::strerror(errno));
  const Closer closer{from};
  if (size_ == 0 && ::ioctl(descriptor_, FICLONE, from) == 0) {
    size_ = static_cast<std::uint64_t>(::lseek(descriptor_, 0, SEEK_END));
    return;
  }
  std::string buffer(std::size_t{1} << 20, '\0');
  for (;;) {
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, "cannot read ", source.string(), ": ", std::strerror(errno));
    if (got == 0) return;
    write(buffer.data(), static_cast<std::size_t>(got));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("cannot write", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename into", errno);
  ::close(descriptor_);
  descriptor_ = -1;
  // The rename itself must survive a power cut: sync the folder too (best effort: some file systems
  // refuse).
  const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  if (const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    (void)::fsync(fd);
    ::close(fd);
  }
}

void append_to_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::app | std::ios::binary);
  out << bytes << std::flush;
  require(out.good(), "cannot write ", path.string());
}

void write_file(const std::filesystem::path& path, std::string_view content, bool overwrite) {
  AtomicFile file(path, overwrite);
  file.write(content);
  file.commit();
}

}  // namespace fovea
