#include "engine/relevance/walk_run.h"

#include <algorithm>
#include <cmath>

#include "engine/backend/transfer.h"

namespace fovea {

WalkRun::WalkRun(const Executor& executor, RelevanceKernels& kernels, std::vector<WalkStep>& walk,
                 const WalkMemory& memory, int start_tensor, std::string start_name)
    : executor_(executor),
      kernels_(kernels),
      walk_(walk),
      memory_(memory),
      start_(memory.at(start_tensor)),
      start_name_(std::move(start_name)) {
  for (WalkStep& w : walk_) w.step->bind(memory_.binding_of(node_of(w)));
  plan_rows(start_tensor);
  report_ = WalkReport(kernels.device(), static_cast<std::size_t>(start_.shape.n()),
                       walk.size() + 1, static_cast<std::size_t>(row_count_));
}

const Node& WalkRun::node_of(const WalkStep& w) const {
  return executor_.graph().nodes[static_cast<std::size_t>(w.node)];
}

// A tensor has one row; one that passes as it is shows that of the tensor above, and one that loses
// channels has another from there on.
void WalkRun::plan_rows(int start_tensor) {
  std::vector<int> row(executor_.graph().tensors.size(), -1);
  const auto row_of = [&](int tensor) -> int& { return row[static_cast<std::size_t>(tensor)]; };
  row_of(start_tensor) = row_count_++;
  for (const WalkStep& w : walk_) {
    const Node& node = node_of(w);
    Rows rows;
    if (w.keep.size() > 0) rows.kept = row_of(node.tops[0]) = row_count_++;
    for (const int top : node.tops) rows.tops.push_back(row_of(top));
    for (const int bottom : node.bottoms) {
      row_of(bottom) = w.step->passes() ? row_of(node.tops[0]) : row_count_++;
      rows.bottoms.push_back(row_of(bottom));
    }
    rows_.push_back(std::move(rows));
  }
}

StepReport WalkRun::own_report(std::size_t step) const {
  return {.absorbed = report_.absorbed(step), .unserved = report_.unserved(step)};
}

void WalkRun::run(TensorView<const float> start) {
  const UseDevice use(kernels_.device());
  layers_.clear();
  warnings_.clear();
  upload_plain(kernels_.device(), start, start_);
  if (!visitor_ && undisturbed_ && !kernels_.device().host_memory()) {
    if (run_whole()) return;
    upload_plain(kernels_.device(), start, start_);
  }
  undisturbed_ = run_by_steps();
}

void WalkRun::queue_step(std::size_t step, const StepReport& report) {
  const WalkStep& w = walk_[step];
  const Node& node = node_of(w);
  w.step->run(report);
  for (std::size_t i = 0; i < node.bottoms.size() && !w.step->passes(); ++i)
    kernels_.sum_per_image(memory_.at(node.bottoms[i]), sums(rows_[step].bottoms[i]));
}

void WalkRun::keep_channels(std::size_t step) {
  const WalkStep& w = walk_[step];
  if (w.keep.size() == 0) return;
  const OpTensor top = memory_.at(node_of(w).tops[0]);
  kernels_.keep_channels({w.keep.data(), w.keep.size()}, top);
  kernels_.sum_per_image(top, sums(rows_[step].kept));
}

bool WalkRun::run_whole() {
  report_.clear();
  const auto work = [this] {
    kernels_.sum_per_image(start_, sums(0));
    for (std::size_t step = 0; step < walk_.size(); ++step) {
      keep_channels(step);
      queue_step(step, own_report(step));
    }
  };
  recorded_ ? recorded_() : void(recorded_ = kernels_.device().record(work));
  report_.read();
  bool undisturbed = start_is_finite();
  for (std::size_t step = 0; step < walk_.size() && undisturbed; ++step) {
    const std::vector<StepSums> of_step = step_sums(step);
    undisturbed = !report_.read_unserved(step) && std::ranges::none_of(of_step, looks_wrong);
    add_layer(step, of_step);
  }
  if (!undisturbed) layers_.clear();
  return undisturbed;
}

bool WalkRun::run_by_steps() {
  report_.clear();
  kernels_.sum_per_image(start_, sums(0));
  report_.read();
  bool undisturbed = start_is_finite();
  for (std::size_t n = 0; n < report_.read_sums(0).size(); ++n) {
    if (!std::isfinite(report_.read_sums(0)[n].magnitude))
      warnings_.push_back(str("image ", n, ", layer ", start_name_,
                              ": the relevance that the walk starts with is not finite"));
  }
  for (std::size_t step = 0; step < walk_.size(); ++step) {
    const WalkStep& w = walk_[step];
    const Node& node = node_of(w);
    keep_channels(step);
    if (visitor_ && !w.step->passes()) show_to_visitor(step);
    bool asked_in_vain = false;
    queue_step(step, {.absorbed = report_.absorbed(step), .asked_in_vain = &asked_in_vain});
    report_.read();
    const std::vector<StepSums> of_step = step_sums(step);
    undisturbed &= !asked_in_vain && std::ranges::none_of(of_step, looks_wrong);
    add_layer(step, of_step);
    std::vector<OpTensor> bottoms;
    for (const int bottom : node.bottoms) bottoms.push_back(memory_.at(bottom));
    for (std::string& line : step_warnings(node.name, kernels_.device(), *w.step, bottoms,
                                           memory_.at(node.tops[0]), of_step))
      warnings_.push_back(std::move(line));
  }
  return undisturbed;
}

// What it may call several times adds up in the spare entries of the report.
void WalkRun::show_to_visitor(std::size_t step) {
  WalkStep& w = walk_[step];
  StepReport spare = own_report(walk_.size());
  if (kernels_.device().host_memory()) spare.unserved = nullptr;  // it may ask: nothing waits
  visitor_(node_of(w), w.step->describe(), [&] { w.step->run(spare); });
}

bool WalkRun::start_is_finite() const {
  return std::ranges::all_of(report_.read_sums(0),
                             [](const ImageSums& s) { return std::isfinite(s.magnitude); });
}

std::vector<StepSums> WalkRun::step_sums(std::size_t step) const {
  const std::span<const AbsorbedSums> absorbed = report_.read_absorbed(step);
  std::vector<StepSums> all(absorbed.size());
  for (std::size_t n = 0; n < all.size(); ++n) all[n].absorbed = absorbed[n];
  const auto add = [&](const std::vector<int>& rows, ImageSums StepSums::*side) {
    for (const int row : rows) {
      for (std::size_t n = 0; n < all.size() && row >= 0; ++n) {
        const ImageSums& of = report_.read_sums(static_cast<std::size_t>(row))[n];
        (all[n].*side).sum += of.sum, (all[n].*side).magnitude += of.magnitude;
      }
    }
  };
  add(rows_[step].tops, &StepSums::tops);
  add(rows_[step].bottoms, &StepSums::bottoms);
  return all;
}

void WalkRun::add_layer(std::size_t step, std::span<const StepSums> sums) {
  LayerRelevance layer{.name = node_of(walk_[step]).name, .node = walk_[step].full_node};
  for (const StepSums& s : sums) {
    layer.incoming.push_back(s.tops.sum);
    layer.sum.push_back(s.bottoms.sum);
    layer.absorbed_bias.push_back(s.absorbed.bias);
    layer.absorbed_epsilon.push_back(s.absorbed.epsilon);
    layer.absorbed_padding.push_back(s.absorbed.padding);
  }
  layers_.push_back(std::move(layer));
}

}  // namespace fovea
