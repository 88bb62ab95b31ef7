#include "data/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

constexpr std::size_t kPage = 4096, kPages = 1024;

// Whether each page of the file lies in memory.
std::vector<unsigned char> resident(const MappedFile& file) {
  std::vector<unsigned char> pages(kPages);
  EXPECT_EQ(::mincore(const_cast<std::uint8_t*>(file.bytes().data()), kPages * kPage, pages.data()),
            0);
  for (unsigned char& page : pages) page &= 1U;
  return pages;
}

TEST(MappedFile, WhatWillBeNeededComesFromTheDiskBeforeItIsRead) {
  if (::sysconf(_SC_PAGESIZE) != kPage) GTEST_SKIP() << "pages of another size";
  // Not in a TemporaryFolder, which lies in memory.
  const std::string path = str(testing::TempDir(), "fovea_mapped_", ::getpid());
  write_file(path, std::string(kPages * kPage, 'x'));
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  ::fsync(descriptor);
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  ::close(descriptor);
  const MappedFile file(path);
  ::unlink(path.c_str());
  if (std::ranges::count(resident(file), 1) > 0) GTEST_SKIP() << "a file system in memory";

  file.will_need(300 * kPage - 1, 20 * kPage + 2);  // the last byte of a page to the first of one
  const auto wanted_are_there = [&] {
    const auto pages = resident(file);
    return std::count(pages.begin() + 299, pages.begin() + 321, 1) == 22;
  };
  const auto start = std::chrono::steady_clock::now();
  while (!wanted_are_there() && std::chrono::steady_clock::now() - start < std::chrono::seconds(20))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(wanted_are_there());
  EXPECT_EQ(resident(file)[0], 0) << "what nobody wants stays where it is";
}

}  // namespace
}  // namespace fovea
