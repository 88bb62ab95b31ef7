#include "kernels/emulated/strand.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "kernels/emulated/sanitizer.h"

namespace fovea::emulated {

// A page that faults on overflow, then the stack. Tops are spread over a page: with equal offsets
// the hot frames of all fibers would compete for the same few cache sets (256 threads: 1.6x
// slower).
struct Strand::Stack {
  static constexpr std::size_t kBytes = kAddressSanitizer ? 512 << 10 : 128 << 10;
  std::byte* memory;
  std::size_t usable;

  explicit Stack(std::size_t number) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    memory = static_cast<std::byte*>(mapped);
    sanitizer::allow(memory, kBytes);  // may have been the stack of a thread that has ended
    ::mprotect(memory, page, PROT_NONE);
    usable = kBytes - number * 192 % page / 64 * 64;
  }
  ~Stack() {
    sanitizer::allow(memory, kBytes);  // what the last frames left
    ::munmap(memory, kBytes);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
};

namespace {

// The stack belongs to the Strand, not to the context.
struct KeepStack {
  boost::context::stack_context allocate() { return {}; }
  void deallocate(boost::context::stack_context&) {}
};

}  // namespace

Strand::Strand(std::size_t number) : stack_(std::make_unique<Stack>(number)) {
  boost::context::stack_context context;
  context.sp = stack_->memory + stack_->usable;
  context.size = stack_->usable;
  task_context_ = boost::context::fiber(
      std::allocator_arg, boost::context::preallocated(context.sp, context.size, context),
      KeepStack{}, [this](boost::context::fiber&& caller) {
        caller_context_ = std::move(caller);
        loop();
        sanitizer::start_switch(nullptr, caller_bottom_, caller_size_);
        return std::move(caller_context_);
      });
}

Strand::~Strand() {
  ending_ = true;
  switch_to_task();
}

void Strand::loop() {
  sanitizer::finish_switch(nullptr, &caller_bottom_, &caller_size_);
  while (!ending_) {
    try {
      task_(argument_);
    } catch (const Abandoned&) {
      abandoned_ = false;
    } catch (...) {
      error_ = std::current_exception();
    }
    idle_ = true;
    switch_to_caller();
  }
}

void Strand::switch_to_task() {
  sanitizer::start_switch(&caller_fake_, stack_->memory, stack_->usable);
  task_context_ = std::move(task_context_).resume();
  sanitizer::finish_switch(caller_fake_, nullptr, nullptr);
}

void Strand::switch_to_caller() {
  sanitizer::start_switch(&task_fake_, caller_bottom_, caller_size_);
  caller_context_ = std::move(caller_context_).resume();
  sanitizer::finish_switch(task_fake_, &caller_bottom_, &caller_size_);
}

void Strand::resume() { switch_to_task(); }

void Strand::suspend() {
  switch_to_caller();
  if (abandoned_) throw Abandoned{};
}

void Strand::abandon() {
  abandoned_ = true;
  switch_to_task();
}

Strand* StrandPool::take() {
  if (free_.empty()) {
    all_.push_back(std::make_unique<Strand>(all_.size()));
    return all_.back().get();
  }
  Strand* strand = free_.back();
  free_.pop_back();
  return strand;
}

}  // namespace fovea::emulated
