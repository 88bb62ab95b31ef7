#include "apps/run_report.h"

#include "engine/core/json_fields.h"
#include "engine/train/run_log.h"

#include "apps/relevance_many.h"
#include "data/picture.h"
#include "engine/core/file.h"
#include "engine/io/weights.h"
#include "engine/relevance/analyzer.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

Image cropped(const Image& whole, const Window& window, int crop) {
  Image part{.height = crop, .width = crop, .channels = 3, .pixels = {}};
  for (int row = 0; row < crop; ++row) {
    const auto* at = whole.pixels.data() + ((window.top + row) * whole.width + window.left) * 3;
    part.pixels.insert(part.pixels.end(), at, at + static_cast<std::ptrdiff_t>(crop) * 3);
  }
  return part;
}

}  // namespace

Json run_description(const fs::path& folder) {
  Json description = read_run_log(folder).description;
  require(description.is_object(), "no description of a run in ", (folder / "log.jsonl").string(),
          ", expected it in the first line");
  return description;
}

std::vector<ChartPoint> loss_curve(const fs::path& folder) {
  std::vector<ChartPoint> points;
  for (const Json& entry : read_run_log(folder).entries)
    points.push_back({entry["iteration"].get<double>(), entry["loss"].get<double>()});
  return points;
}

TransformParams seen_by(const Model& model, const TrainConfig& config) {
  return {
      .crop = static_cast<int>(config.data.crop), .mean = model.mean, .scale = config.data.scale};
}

std::vector<ReportFace> explained_faces(const Store& store, const View& view, const Model& model,
                                        const TrainConfig& config, const std::string& rule,
                                        int count) {
  const std::size_t all = view.records.size();
  const std::size_t shown = std::min(static_cast<std::size_t>(count), all);
  Analyzer analyzer(build_graph(model_net(model, "", 1)),
                    {.composite = load_composite(rule), .device = resolve_device()});
  load_weights(analyzer.executor(), model.file, model.path);
  analyzer.weights_changed();
  const LabelColumn& labels = store.columns()[static_cast<std::size_t>(view.target)];
  const int crop = static_cast<int>(config.data.crop);
  const Colormap& map = find_colormap(kDefaultColormap);
  std::vector<std::uint8_t> scratch;
  std::vector<ReportFace> faces;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::uint32_t record = view.records[(i * 2 + 1) * all / (shown * 2)];
    const RecordInfo info = store.record(record);
    const Shape shape{3, info.height, info.width};
    const auto planes = store.planes(record, scratch);
    const Window window = centre_window(shape, crop);
    transform_image(planes, shape, seen_by(model, config), window,
                    analyzer.executor().input("data").span());
    analyzer.forward();
    const Tensor<float> scores = analyzer.scores();
    const int predicted = predictions_of(scores)[0];
    analyzer.run(std::vector<int>{predicted});
    const Tensor<float> r = analyzer.input_relevance();
    const TensorView<const float> relevance{r.values.data(),
                                            Shape{r.shape[1], r.shape[2], r.shape[3]}};
    const Image image = cropped(from_planes(planes, 3, info.height, info.width), window, crop);
    faces.push_back({.name = fs::path(info.source).filename().string(),
                     .truth = class_name(model, labels.values[record]),
                     .predicted = class_name(model, predicted),
                     .score = probabilities_of(scores, 0)[static_cast<std::size_t>(predicted)],
                     .image = image,
                     .heatmap = heatmap(relevance, map),
                     .overlay = overlay(image, relevance, map)});
  }
  return faces;
}

}  // namespace fovea::apps
