// launch<kernel>(grid, block, shared_bytes, stream, arguments...): the only way to run a kernel.
//
// The blocks of a grid are spread over the host's cores; the call returns when all have ended.
// Error when the kernel makes a mistake: a barrier that some threads miss, an index outside of a
// shared array, a write outside of one or outside of a buffer (memory.h).
#pragma once

#include <string_view>
#include <tuple>
#include <type_traits>

#include "kernels/emulated/block.h"

namespace fovea::emulated {

// Work on a device in order. Emulated kernels end before launch() returns, so there is nothing to
// hold.
struct Stream {};

// The order in which the threads of a block (and the blocks of a grid) run between barriers:
// FOVEA_EMULATED_ORDER = forward | reverse | random[:SEED] at start, forward without it.
[[nodiscard]] Order thread_order();

// Sets the order for its lifetime.
class ThreadOrderScope {
 public:
  explicit ThreadOrderScope(Order order);
  ~ThreadOrderScope();
  ThreadOrderScope(const ThreadOrderScope&) = delete;
  ThreadOrderScope& operator=(const ThreadOrderScope&) = delete;

 private:
  Order previous_;
};

// Bytes of dynamic shared memory that a block may have, as on an H100; launches that want more
// fault.
[[nodiscard]] std::size_t most_shared(Stream);

// Sets those bytes for its lifetime: what other GPUs have.
class SharedLimitScope {
 public:
  explicit SharedLimitScope(std::size_t bytes);
  ~SharedLimitScope();
  SharedLimitScope(const SharedLimitScope&) = delete;
  SharedLimitScope& operator=(const SharedLimitScope&) = delete;

 private:
  std::size_t previous_;
};

void run_launch(const Launch& launch);

// "relu_forward" out of "... [with auto kKernel = space::relu_forward<4>; ...]".
consteval std::string_view kernel_name_in(std::string_view function) {
  const std::string_view key = "kKernel = ";
  std::string_view name = function.substr(function.find(key) + key.size());
  name = name.substr(0, name.find_first_of(";]<("));
  const std::size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}
template <auto kKernel>
consteval std::string_view kernel_name() {
  std::string_view function = __PRETTY_FUNCTION__;
  // An anonymous namespace brings parentheses of its own.
  const std::string_view anonymous[] = {"{anonymous}::", "(anonymous namespace)::"};
  for (const std::string_view space : anonymous) {
    const std::size_t at = function.rfind(space);
    if (at != std::string_view::npos) {
      std::string_view name = function.substr(at + space.size());
      return name.substr(0, name.find_first_of(";]<("));
    }
  }
  return kernel_name_in(function);
}

template <auto kKernel, class... Parameters>
void launch_with(void (*)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                 std::type_identity_t<Parameters>... arguments) {
  using Tuple = std::tuple<Parameters...>;
  const Tuple values(std::move(arguments)...);
  const Launch launch{
      .kernel = kernel_name<kKernel>(),
      .grid = grid,
      .block = block,
      .shared_bytes = shared_bytes,
      .order = thread_order(),
      .body = [](const void* p) { std::apply(kKernel, *static_cast<const Tuple*>(p)); },
      .arguments = &values};
  run_launch(launch);
}

template <auto kKernel, class... Arguments>
void launch(dim3 grid, dim3 block, std::size_t shared_bytes, Stream,
            const Arguments&... arguments) {
  launch_with<kKernel>(kKernel, grid, block, shared_bytes, arguments...);
}

}  // namespace fovea::emulated
