#include "data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/core/error.h"

namespace fovea {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(descriptor >= 0, "cannot read ", path.string(), ": ", std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  void* address = nullptr;
  int error = 0;
  if (regular && status.st_size > 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
    if (address == MAP_FAILED) error = errno;
  }
  ::close(descriptor);  // the mapping keeps the file open
  require(regular, "cannot read ", path.string(), ": it is not a regular file");
  require(error == 0, "cannot read ", path.string(), ": ", std::strerror(error));
  data_ = static_cast<const std::uint8_t*>(address);
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

void MappedFile::will_need(std::uint64_t offset, std::uint64_t size) const {
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t page = offset / page_bytes * page_bytes;
  // Only a hint: what it could not do, reading does.
  (void)::madvise(const_cast<std::uint8_t*>(data_) + page, offset + size - page, MADV_WILLNEED);
}

}  // namespace fovea
