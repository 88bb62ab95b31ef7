#include "engine/parallel/host_sum.h"

namespace fovea {

HostSum::HostSum(Communicator& ranks, Device& device)
    : ranks_(ranks), device_(device), thread_([this] { work(); }) {}

HostSum::~HostSum() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (summed_ < begun_) ranks_.cancel();
  }
  changed_.notify_all();
}

std::span<float> HostSum::on_host(Task& task) const {
  return device_.host_memory() ? task.values : std::span<float>(task.staged);
}

// A task's place is the calling thread's until begun_ counts it.
void HostSum::start(std::span<float> values, const std::string& what) {
  std::unique_lock lock(mutex_);
  if (begun_ == 0) ranks_.wait_busily(false);  // the cores belong to the backward pass
  if (begun_ == tasks_.size()) tasks_.emplace_back();
  Task& task = tasks_[begun_];
  lock.unlock();
  task.values = values, task.what = what;
  if (!device_.host_memory()) {
    task.staged.resize(values.size());
    device_.download(task.staged.data(), values.data(), values.size_bytes());
  }
  lock.lock();
  ++begun_;
  lock.unlock();
  changed_.notify_all();
}

void HostSum::finish() {
  std::unique_lock lock(mutex_);
  ranks_.wait_busily(true);
  changed_.wait(lock, [&] { return summed_ == begun_ || error_; });
  if (error_) std::rethrow_exception(error_);
  for (std::size_t i = 0; i < begun_ && !device_.host_memory(); ++i) {
    const Task& task = tasks_[i];
    device_.upload(task.values.data(), task.staged.data(), task.values.size_bytes());
  }
  begun_ = summed_ = 0;
}

void HostSum::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || (summed_ < begun_ && !error_); });
    if (stop_) return;
    Task& task = tasks_[summed_];
    lock.unlock();
    try {
      ranks_.sum(on_host(task), task.what);
      lock.lock();
      ++summed_;
    } catch (...) {
      lock.lock();
      error_ = std::current_exception();  // nothing more to do
    }
    changed_.notify_all();
  }
}

}  // namespace fovea
