// Several devices in one thread: whose turn it is ends with the scope that asked for it.
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "kernels/ops/heap_device.h"

namespace fovea {
namespace {

// Of several that share a thread, as GPUs do.
class OneOfMany final : public HeapDevice {
 public:
  OneOfMany(int index, int& current) : index_(index), current_(current) {}
  [[nodiscard]] std::string name() const override { return str("many:", index_); }
  [[nodiscard]] bool host_memory() const override { return true; }
  [[nodiscard]] void* allocate(std::size_t) override { return nullptr; }
  void release(void*) noexcept override {}
  void reorder(const OpTensor&, const OpTensor&) override {}
  [[nodiscard]] int make_current() override { return std::exchange(current_, index_); }
  void restore_current(int previous) noexcept override { current_ = previous; }

 private:
  int index_;
  int& current_;
};

TEST(UseDevice, LastsAsLongAsItsScope) {
  int current = 7;
  OneOfMany one(1, current), two(2, current);
  {
    const UseDevice first(one);
    EXPECT_EQ(current, 1);
    {
      const UseDevice second(two), again(one);
      EXPECT_EQ(current, 1);
    }
    EXPECT_EQ(current, 1);
    EXPECT_THROW(
        {
          const UseDevice second(two);
          EXPECT_EQ(current, 2);
          throw Error("something");
        },
        Error);
    EXPECT_EQ(current, 1);
  }
  EXPECT_EQ(current, 7);
}

}  // namespace
}  // namespace fovea
