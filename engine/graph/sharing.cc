#include "engine/graph/sharing.h"

namespace fovea {
namespace {

class Sharing {
 public:
  Sharing(Plan& plan, const ExecutorOptions& options)
      : plan_(plan),
        options_(options),
        producer_(plan.tensors.size()),
        shown_elsewhere_(plan.tensors.size()) {
    for (PlannedStep& step : plan_.steps) {
      for (std::size_t i = 0; i < step.tops.size(); ++i)
        producer_[static_cast<std::size_t>(step.tops[i])] = {&step, i};
    }
  }

  void run() {
    join_values();
    share_values();
    share_gradients();
    join_gradients();
  }

 private:
  // The step that writes a tensor, and as which of its tops.
  struct Producer {
    PlannedStep* step = nullptr;
    std::size_t top = 0;
  };

  PlannedTensor& planned(int id) { return plan_.tensors[static_cast<std::size_t>(id)]; }

  // Calls join(tensor, the tensor it is concatenated into, offset there, producer) for what its
  // producer might write into its slice of a concatenated tensor: what has a memory of its own.
  // Relevance wants every tensor by itself.
  template <class Join>
  void for_each_slice(Join&& join) {
    if (!options_.join_in_place || options_.keep_all) return;
    for (const PlannedStep& step : plan_.steps) {
      if (!step.op || !step.op->joins_slices()) continue;
      std::int64_t offset = 0;
      for (const int bottom : step.bottoms) {
        const PlannedTensor& t = planned(bottom);
        const Producer producer = producer_[static_cast<std::size_t>(bottom)];
        if (producer.step && producer.step->op && !producer.step->op->is_alias() &&
            !producer.step->op->joins_slices())
          join(bottom, step.tops[0], offset, producer);
        offset += t.layout == Layout::kChannelsLast ? t.shape.c() : image_size(t);
      }
    }
  }
  static std::int64_t image_size(const PlannedTensor& t) {
    return storage_count(t.shape, t.layout) / t.shape.n();
  }
  // A slice of the channels of a single image is like any other tensor, unless channels come last.
  static bool is_contiguous(const PlannedTensor& slice) {
    return slice.shape.n() == 1 && slice.layout != Layout::kChannelsLast;
  }

  void join_values() {
    for_each_slice([&](int slice, int whole, std::int64_t offset, const Producer& producer) {
      PlannedTensor& t = planned(slice);
      if (!is_contiguous(t) && !producer.step->op->take_value_slice(producer.top)) return;
      t.is_slice = true, t.storage = planned(whole).storage, t.offset = offset;
      t.pitch = is_contiguous(t) ? 0 : image_size(planned(whole));
      shown_elsewhere_[static_cast<std::size_t>(slice)] = true;
      shown_elsewhere_[static_cast<std::size_t>(whole)] = true;
    });
  }

  // Where an operation in place made others share the gradient, it stays where it is.
  void join_gradients() {
    std::vector<int> users(static_cast<std::size_t>(plan_.grad_storages));
    for (const PlannedTensor& t : plan_.tensors) {
      if (t.grad_storage >= 0) ++users[static_cast<std::size_t>(t.grad_storage)];
    }
    for_each_slice([&](int slice, int whole, std::int64_t offset, const Producer& producer) {
      PlannedTensor& t = planned(slice);
      if (t.grad_storage < 0 || planned(whole).grad_storage < 0) return;
      if (users[static_cast<std::size_t>(t.grad_storage)] > 1) return;
      if (!is_contiguous(t) && !producer.step->op->take_gradient_slice(producer.top)) return;
      t.grad_storage = planned(whole).grad_storage, t.grad_offset = offset;
      t.grad_pitch = is_contiguous(t) ? 0 : image_size(planned(whole));
    });
  }

  // Aliases always share; in-place operations share where nobody reads the old value any more.
  void share_values() {
    for (const PlannedStep& step : plan_.steps) {
      if (!step.op) continue;
      const auto bottom = static_cast<std::size_t>(step.bottoms[0]),
                 top = static_cast<std::size_t>(step.tops[0]);
      if (step.op->is_alias()) {
        for (const int shown : step.tops) {
          planned(shown).storage = planned(step.bottoms[0]).storage;
          shown_elsewhere_[static_cast<std::size_t>(shown)] = true;
        }
      } else if (step.op->in_place() && may_overwrite(step, producer_[bottom].step) &&
                 !shown_elsewhere_[bottom] && !shown_elsewhere_[top]) {
        planned(step.tops[0]).storage = planned(step.bottoms[0]).storage;
      }
    }
  }

  // A gradient dies with the step that reads it, so sharing it needs no more than the operation's
  // consent.
  void share_gradients() {
    for (auto step = plan_.steps.rbegin(); step != plan_.steps.rend(); ++step) {
      if (!step->op || !step->op->in_place()) continue;
      PlannedTensor& bottom = planned(step->bottoms[0]);
      const PlannedTensor& top = planned(step->tops[0]);
      if (bottom.grad_storage >= 0 && top.grad_storage >= 0) bottom.grad_storage = top.grad_storage;
    }
  }

  [[nodiscard]] bool may_overwrite(const PlannedStep& step, const PlannedStep* producer) const {
    if (!producer) return false;  // a net input belongs to the caller
    if (!options_.training) return true;
    return !step.op->backward_reads_bottoms() &&
           !(producer->op && producer->op->backward_reads_tops());
  }

  Plan& plan_;
  const ExecutorOptions& options_;
  std::vector<Producer> producer_;     // by tensor
  std::vector<bool> shown_elsewhere_;  // other tensors show the same memory
};

}  // namespace

void share_storage(Plan& plan, const ExecutorOptions& options) { Sharing(plan, options).run(); }

}  // namespace fovea
