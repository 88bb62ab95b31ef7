// Fibers that run CUDA threads, kept for reuse: one stack and one context each.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <vector>

namespace fovea::emulated {

// Runs one task at a time on a stack of its own, between resume() and suspend().
class Strand {
 public:
  explicit Strand(std::size_t number);
  ~Strand();
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  using Task = void (*)(void*);
  // Hands over the next task; the strand must be idle. resume() then runs it.
  void assign(Task task, void* argument) { task_ = task, argument_ = argument, idle_ = false; }
  // Runs until the task suspends or ends.
  void resume();
  // Called by the task: back to the caller of resume(). Throws Abandoned after abandon().
  void suspend();
  // Unwinds a suspended task.
  void abandon();

  [[nodiscard]] bool idle() const { return idle_; }
  // What the task threw, once.
  [[nodiscard]] std::exception_ptr take_error() { return std::exchange(error_, nullptr); }

 private:
  struct Abandoned {};
  struct Stack;

  void loop();
  void switch_to_task();
  void switch_to_caller();

  std::unique_ptr<Stack> stack_;
  boost::context::fiber task_context_, caller_context_;
  Task task_ = nullptr;
  void* argument_ = nullptr;
  bool idle_ = true, abandoned_ = false, ending_ = false;
  std::exception_ptr error_;
  // AddressSanitizer's view of the two stacks.
  void *task_fake_ = nullptr, *caller_fake_ = nullptr;
  const void* caller_bottom_ = nullptr;
  std::size_t caller_size_ = 0;
};

// The strands of one host thread.
class StrandPool {
 public:
  Strand* take();
  void give_back(Strand* strand) { free_.push_back(strand); }

 private:
  std::vector<std::unique_ptr<Strand>> all_;
  std::vector<Strand*> free_;
};

}  // namespace fovea::emulated
