#include "apps/relevance_inputs.h"

#include <algorithm>
#include <filesystem>

#include "apps/net_input.h"
#include "data/mean.h"
#include "engine/core/npy.h"
#include "engine/io/weights.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

std::vector<Sample> samples_of_array(const InputArguments& a, Shape& shape) {
  const Tensor<float> x = read_npy(a.input);
  require(x.shape.rank() == 4, "wrong array in ", a.input, ": ", x.shape,
          ", expected N x C x H x W");
  shape = x.shape;
  std::vector<Sample> samples;
  const auto size = static_cast<std::ptrdiff_t>(x.shape.count_from(1));
  for (std::int64_t n = 0; n < x.shape.n(); ++n) {
    samples.push_back({.name = str(n),
                       .input = {x.values.begin() + n * size, x.values.begin() + (n + 1) * size}});
  }
  return samples;
}

std::vector<Sample> samples_of_files(const InputArguments& a, const Shape& wanted,
                                     const TransformParams& transform) {
  require(wanted[1] == wanted[2], "no photographs for a net of ", wanted,
          ", expected one of square images, or --input");
  std::vector<Sample> samples;
  for (const std::string& file : a.images) {
    const Image image = fitting_photograph(file, transform, static_cast<int>(wanted[0]));
    Sample sample{.name = sample_name(file)};
    sample.input.resize(static_cast<std::size_t>(wanted.count()));
    fill_input(image, transform, sample.input);
    sample.picture = picture_of(image, transform.crop);
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::vector<Sample> samples_of_view(const InputArguments& a, const Model& model,
                                    const Shape& wanted, const TransformParams& transform) {
  const Store store(a.store);
  const View& view = store.view(a.view);
  const LabelColumn* column =
      view.target < 0 ? nullptr : &store.columns()[static_cast<std::size_t>(view.target)];
  // A label among other classes says nothing about this model's.
  if (!model.classes.empty() && column && !std::ranges::equal(model.classes, column->classes))
    column = nullptr;
  std::vector<Sample> samples;
  for (const std::uint32_t record : view.records) {
    if (a.limit > 0 && std::ssize(samples) >= a.limit) break;
    Sample sample{
        .name = str(samples.size(), "_", fs::path(store.record(record).source).stem().string())};
    sample.input.resize(static_cast<std::size_t>(wanted.count()));
    fill_input(store, record, wanted, transform, sample.input);
    sample.picture = picture_of(store, record, transform.crop);
    samples.push_back(std::move(sample));
    samples.back().record = record;
    if (column) samples.back().label = column->values[record];
  }
  return samples;
}

}  // namespace

std::string sample_name(const std::string& file) { return fs::path(file).stem().string(); }

RelevanceInputs::RelevanceInputs(const InputArguments& a)
    : arguments_(a),
      model_(a.settled ? a.settled : std::make_shared<Model>(read_model(a.weights))) {
  if (!a.mean.empty()) model_->mean = read_mean(a.mean);
  const Shape input = model_net(*model_, a.net, 1).inputs[0].shape, &mean = model_->mean.shape;
  image_ = {input.c(), input.h(), input.w()};
  require(
      mean.rank() != 3 || (mean[0] == image_[0] && mean[1] >= image_[1] && mean[2] >= image_[2]),
      "wrong mean image in ", a.mean.empty() ? a.weights : a.mean, ": ", mean,
      ", expected one around ", image_);
  const TransformParams transform{
      .crop = static_cast<int>(image_[1]), .mean = model_->mean, .scale = model_->scale};
  if (!a.input.empty()) {
    samples_ = samples_of_array(a, array_shape_);
  } else if (!a.store.empty()) {
    samples_ = samples_of_view(a, *model_, image_, transform);
  } else {
    samples_ = samples_of_files(a, image_, transform);
  }
  require(!samples_.empty(), "no image in ", a.input.empty() ? "view " + a.view : a.input,
          ", expected at least one to explain");
}

Graph RelevanceInputs::graph(std::int64_t batch) const {
  if (batch == 0) batch = std::min<std::int64_t>(arguments_.batch, std::ssize(samples_));
  const NetDefinition net = model_net(*model_, arguments_.net, batch);
  if (array_shape_.rank() == 4) {
    Shape wanted = array_shape_;
    wanted[0] = batch;
    require(net.inputs[0].shape == wanted, "wrong array in ", arguments_.input, ": ", array_shape_,
            ", expected images of ", net.inputs[0].shape);
  }
  return build_graph(net);
}

Tensor<float> RelevanceInputs::seen_mean() const {
  const Tensor<float>& mean = model_->mean;
  if (mean.shape.rank() != 3) return {};
  const std::int64_t top = (mean.shape[1] - image_[1]) / 2, left = (mean.shape[2] - image_[2]) / 2;
  Tensor<float> seen(image_);
  for (std::int64_t c = 0; c < image_[0]; ++c) {
    for (std::int64_t h = 0; h < image_[1]; ++h) {
      std::copy_n(mean.values.data() + (c * mean.shape[1] + top + h) * mean.shape[2] + left,
                  image_[2], seen.values.data() + (c * image_[1] + h) * image_[2]);
    }
  }
  return seen;
}

std::int64_t RelevanceInputs::fill(std::int64_t first, TensorView<float> input) const {
  const std::int64_t count = std::min<std::int64_t>(input.shape.n(), std::ssize(samples_) - first),
                     size = input.shape.count_from(1);
  std::fill_n(input.data, input.count(), 0.0F);
  for (std::int64_t n = 0; n < count; ++n)
    std::ranges::copy(samples_[static_cast<std::size_t>(first + n)].input, input.data + n * size);
  return count;
}

std::unique_ptr<Analyzer> make_analyzer(const RelevanceInputs& inputs, const Graph& graph,
                                        AnalyzerOptions options) {
  options.mean = inputs.seen_mean();
  options.pixel_scale = inputs.model().scale;
  auto analyzer = std::make_unique<Analyzer>(graph, options);
  load_all_weights(analyzer->executor(), inputs.model().file, inputs.model().path);
  analyzer->weights_changed();
  return analyzer;
}

std::int64_t batch_within(const RelevanceInputs& inputs, const AnalyzerOptions& given,
                          std::int64_t megabytes) {
  AnalyzerOptions options = given;
  options.mean = inputs.seen_mean();
  const auto bytes = [&](std::int64_t batch) {
    return static_cast<std::int64_t>(Analyzer(inputs.graph(batch), options).bytes());
  };
  const std::int64_t one = bytes(1), each = std::max<std::int64_t>(bytes(2) - one, 1),
                     budget = megabytes * 1000000;
  require(one <= budget, "not enough memory for one image: --memory ", megabytes,
          " MB, expected at least ", (one + 999999) / 1000000);
  return std::min<std::int64_t>((budget - one) / each + 1, std::ssize(inputs.samples()));
}

}  // namespace fovea::apps
