#include "apps/relevance_toolbox.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <sstream>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/resolve.h"
#include "apps/toolbox_config.h"
#include "data/colormap.h"
#include "data/picture.h"
#include "data/resize.h"
#include "engine/core/file.h"
#include "engine/io/weights.h"
#include "engine/relevance/analyzer.h"
#include "engine/relevance/places.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

// The longer side becomes `side`.
Image resized_to(const Image& image, int side) {
  const double factor = side / static_cast<double>(std::max(image.height, image.width));
  const auto scaled = [&](int extent) {
    return std::max(1, static_cast<int>(std::lround(extent * factor)));
  };
  return resize_bilinear(image, scaled(image.height), scaled(image.width));
}

// The net's window along one axis of the photograph: along the longer side from the border that
// baseimgsize leaves, along the shorter from its own centre; edges are repeated where it is too
// short.
struct AxisWindow {
  int offset, extent;
  [[nodiscard]] int at(int i) const { return std::clamp(i + offset, 0, extent - 1); }
};

// `path` below `folder`, also where it begins with "/" or "..".
fs::path under(fs::path folder, const fs::path& path) {
  for (const fs::path& part : path.lexically_normal().relative_path()) {
    if (part != "..") folder /= part;
  }
  return folder;
}

class ToolboxRun {
 public:
  ToolboxRun(const ToolboxArguments& a, bool group_bias)
      : a_(a), config_(read_toolbox_config(a.config)), mean_(read_toolbox_mean(config_)) {
    const NetDefinition net = load_net(config_.param_file);
    const Shape& input = net.inputs[0].shape;
    require(input.c() == 3 && input.h() == input.w(), "wrong input of net ", config_.param_file,
            ": ", input, ", expected square images of three channels");
    side_ = static_cast<int>(input.h());
    require(config_.baseimgsize >= side_, "wrong value for baseimgsize in ", a.config, ": ",
            config_.baseimgsize, ", expected at least the net's ", side_);
    require(mean_.shape[1] >= side_ && mean_.shape[2] >= side_, "mean image in ", config_.mean_file,
            " is too small: ", mean_.shape, ", expected at least ", side_, " x ", side_);
    const Graph graph = build_graph(net);
    const AnalyzerOptions options = options_of(graph, group_bias);
    check_classes(graph, options.last);
    analyzer_ = std::make_unique<Analyzer>(graph, options);
    load_all_weights(analyzer_->executor(), config_.model_file);
    analyzer_->weights_changed();
  }

  void run(const std::vector<ToolboxImage>& images) {
    const TensorView<float> input =
        analyzer_->executor().input(analyzer_->executor().graph().tensors[0].blob);
    Progress progress("relevance");
    for (std::size_t first = 0; first < images.size();
         first += static_cast<std::size_t>(input.shape.n())) {
      const auto count = std::min(static_cast<std::size_t>(input.shape.n()), images.size() - first);
      run_batch(std::span(images).subspan(first, count), input);
      progress.update(static_cast<std::int64_t>(first + count), std::ssize(images));
    }
  }

 private:
  [[nodiscard]] AnalyzerOptions options_of(const Graph& graph, bool group_bias) const {
    not_negative("epsstab", config_.epsstab);
    not_negative("alphabeta_beta", config_.alphabeta_beta);
    AnalyzerOptions options{
        .device = resolve_device(), .last = last_layer(graph), .first = config_.firstlayerindex};
    require(options.first >= 0 && options.first < options.last,
            "wrong value for firstlayerindex in ", a_.config, ": ", options.first,
            ", expected 0 or more and a layer below ", options.last, ", where the walk starts");
    CompositeOverrides overrides{.epsilon = config_.epsstab,
                                 .beta = config_.alphabeta_beta,
                                 .toolbox_group_bias = group_bias};
    const int limit = config_.auxiliaryvariable_maxlayerindexforflatdistinconv;
    const std::string rule = str("toolbox-", config_.relpropformulatype);
    require(limit >= 0 || !needs_flat_until(rule),
            "no auxiliaryvariable_maxlayerindexforflatdistinconv of 0 or more in ", a_.config,
            ", expected one for relpropformulatype ", config_.relpropformulatype);
    if (limit >= 0) overrides.flat_until = limit;
    options.composite = load_composite(rule, overrides);
    options.mean = window_of_mean();
    return options;
  }

  void not_negative(const char* key, float value) const {
    require(value >= 0 && std::isfinite(value), "wrong value for ", key, " in ", a_.config, ": ",
            value, ", expected 0 or more");
  }

  [[nodiscard]] int last_layer(const Graph& graph) const {
    const int index = config_.lastlayerindex;
    require(index >= -2 && index < std::ssize(graph.nodes), "wrong value for lastlayerindex in ",
            a_.config, ": ", index, ", expected -2, -1 or a layer index below ",
            graph.nodes.size());
    if (index == -2) return last_inner_product(graph);
    return index == -1 ? below_first_softmax(graph) : index;
  }

  // The original ranks the first numclasses outputs, and reads what lies behind the last where
  // there are fewer.
  void check_classes(const Graph& graph, int last) const {
    const int top = graph.nodes[static_cast<std::size_t>(last)].tops[0];
    const std::int64_t outputs = graph.tensors[static_cast<std::size_t>(top)].shape.count_from(1);
    require(config_.numclasses >= 1 && config_.numclasses <= outputs,
            "wrong value for numclasses in ", a_.config, ": ", config_.numclasses,
            ", expected at most ", outputs, ", the outputs of layer ",
            graph.nodes[static_cast<std::size_t>(last)].name, " in ", config_.param_file);
    if (config_.numclasses < outputs)
      talk(str("warning: numclasses ", config_.numclasses, " in ", a_.config, ": the last ",
               outputs - config_.numclasses, " of the net's ", outputs, " outputs are not ranked"));
  }

  static int below_first_softmax(const Graph& graph) {
    const auto softmax = std::ranges::find_if(graph.nodes, [](const Node& node) {
      return std::holds_alternative<SoftmaxParams>(node.op);
    });
    require(softmax != graph.nodes.end() && softmax != graph.nodes.begin(),
            "no softmax layer in the net, expected one for lastlayerindex -1");
    return static_cast<int>(softmax - graph.nodes.begin()) - 1;
  }

  [[nodiscard]] Tensor<float> window_of_mean() const {
    Tensor<float> window({3, side_, side_});
    const std::int64_t top = (mean_.shape[1] - side_) / 2, left = (mean_.shape[2] - side_) / 2;
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t h = 0; h < side_; ++h)
        std::copy_n(mean_.values.begin() + ((c * mean_.shape[1] + top + h) * mean_.shape[2] + left),
                    side_, window.values.begin() + (c * side_ + h) * side_);
    }
    return window;
  }

  [[nodiscard]] AxisWindow along(int extent, bool longer) const {
    if (longer) return {(config_.baseimgsize - side_) / 2, extent};
    return {extent >= side_ ? (extent - side_) / 2 : -((side_ - extent) / 2), extent};
  }

  // The mean under pixel (h, w) of the window, as the original reads it: row + column * rows of the
  // plane in memory, from the mean's first row or column along a side that is too short.
  [[nodiscard]] float transposed_mean(std::int64_t c, int h, int w, const AxisWindow& rows,
                                      const AxisWindow& columns) const {
    const auto mean_rows = static_cast<int>(mean_.shape[1]),
               mean_columns = static_cast<int>(mean_.shape[2]);
    const int border = std::min((mean_rows - side_) / 2, (mean_columns - side_) / 2);
    const bool upright = rows.extent > columns.extent;
    const auto place = [&](const AxisWindow& axis, int i, bool longer, int mean_extent) {
      if (longer) return border + i;
      return axis.extent >= side_ ? (mean_extent - side_) / 2 + i : axis.at(i);
    };
    const int row = place(rows, h, upright, mean_rows),
              column = place(columns, w, !upright, mean_columns);
    const bool by_columns = config_.use_mean_file_asbinaryprotoblob > 0;
    const std::int64_t at = by_columns ? row + static_cast<std::int64_t>(column) * mean_rows
                                       : static_cast<std::int64_t>(row) * mean_columns + column;
    return mean_.values[static_cast<std::size_t>(c * mean_rows * mean_columns + at)];
  }

  // Fills one image of the net's input, blue green red; returns what was seen.
  Image load(const ToolboxImage& listed, const Tensor<float>& mean, float* input) const {
    const Image image = resized_to(read_image(listed.path), config_.baseimgsize);
    const bool upright = image.height > image.width;
    const AxisWindow rows = along(image.height, upright), columns = along(image.width, !upright);
    Image seen{.height = side_, .width = side_, .channels = 3, .pixels = {}};
    for (int h = 0; h < side_; ++h) {
      for (int w = 0; w < side_; ++w) {
        const auto* pixel =
            image.pixels.data() +
            (static_cast<std::ptrdiff_t>(rows.at(h)) * image.width + columns.at(w)) * 3;
        seen.pixels.insert(seen.pixels.end(), pixel, pixel + 3);
        for (std::int64_t c = 0; c < 3; ++c) {
          const std::int64_t at = (c * side_ + h) * side_ + w;
          const float m = a_.transposed_mean ? transposed_mean(c, h, w, rows, columns)
                                             : mean.values[static_cast<std::size_t>(at)];
          input[at] = static_cast<float>(pixel[2 - c]) - m;
        }
      }
    }
    return seen;
  }

  void run_batch(std::span<const ToolboxImage> images, TensorView<float> input) {
    const Tensor<float> mean = window_of_mean();
    const std::int64_t size = input.shape.count_from(1);
    std::fill_n(input.data, input.count(), 0.0F);
    std::vector<Image> seen;
    for (std::size_t n = 0; n < images.size(); ++n)
      seen.push_back(load(images[n], mean, input.data + static_cast<std::int64_t>(n) * size));
    analyzer_->forward();
    const Tensor<float> scores = analyzer_->scores();
    const auto classes = static_cast<std::size_t>(scores.shape.count_from(1));
    std::vector<std::vector<StartUnit>> starts(static_cast<std::size_t>(input.shape.n()));
    std::vector<std::vector<int>> orders;
    for (std::size_t n = 0; n < images.size(); ++n) {
      const std::span<const float> of_image =
          std::span(scores.values).subspan(n * classes, classes);
      orders.push_back(by_score(of_image.first(static_cast<std::size_t>(config_.numclasses))));
      starts[n] = starts_of(images[n], orders.back());
    }
    analyzer_->run(starts);
    for (const std::string& line : analyzer_->warnings()) talk("warning: " + line);
    const Tensor<float> relevance = analyzer_->input_relevance();
    for (std::size_t n = 0; n < images.size(); ++n) {
      write(
          images[n], seen[n], orders[n], std::span(scores.values).subspan(n * classes, classes),
          {relevance.values.data() + static_cast<std::int64_t>(n) * size, Shape{3, side_, side_}});
    }
  }

  static std::vector<int> by_score(std::span<const float> scores) {
    std::vector<int> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(),
                             [&](int c) { return scores[static_cast<std::size_t>(c)]; });
    return order;
  }

  static std::vector<StartUnit> starts_of(const ToolboxImage& image,
                                          const std::vector<int>& order) {
    if (image.kind >= 0) return {{.unit = image.kind}};
    std::vector<StartUnit> starts;
    const std::size_t count = image.kind == -2 ? std::min<std::size_t>(5, order.size()) : 1;
    for (std::size_t i = 0; i < count; ++i) starts.push_back({.unit = order[i]});
    return starts;
  }

  void write(const ToolboxImage& image, const Image& seen, const std::vector<int>& order,
             std::span<const float> scores, TensorView<const float> relevance) const {
    const std::size_t at = image.path.find(config_.standalone_rootpath);
    require(at != std::string::npos, "image ", image.path, " does not lie under '",
            config_.standalone_rootpath, "', the standalone_rootpath of ", a_.config);
    const fs::path stem = under(config_.standalone_outpath, image.path.substr(at));
    fs::create_directories(stem.parent_path());
    const auto beside = [&](const char* ending) { return fs::path(stem.string() + ending); };
    std::ostringstream top;
    for (std::size_t i = 0; i < std::min<std::size_t>(10, order.size()); ++i)
      top << order[i] << ' ' << scores[static_cast<std::size_t>(order[i])] << '\n';
    const bool overwrite = common().force;
    write_file(beside("_top10scores.txt"), top.str(), overwrite);
    write_file(beside("_as_inputted_into_the_dnn.png"), encode_png(seen), overwrite);
    write_file(beside("_heatmap.png"),
               encode_png(heatmap(relevance, find_colormap("blue-black-yellow"),
                                  {.range = MapRange::kPositive})),
               overwrite);
    write_file(beside("_rawhm.txt"), raw_text(relevance), overwrite);
  }

  // Red, green, blue planes; six digits, as the original's streams print.
  [[nodiscard]] std::string raw_text(TensorView<const float> relevance) const {
    std::ostringstream text;
    text << 3 << '\n' << side_ << ' ' << side_ << '\n';
    for (std::int64_t c = 2; c >= 0; --c) {
      for (std::int64_t h = 0; h < side_; ++h) {
        for (std::int64_t w = 0; w < side_; ++w)
          text << relevance[(c * side_ + h) * side_ + w] << ' ';
        text << '\n';
      }
    }
    return text.str();
  }

  const ToolboxArguments& a_;
  ToolboxConfig config_;
  Tensor<float> mean_;
  int side_ = 0;
  std::unique_ptr<Analyzer> analyzer_;
};

}  // namespace

void add_toolbox_options(CLI::App& app, ToolboxArguments& a) {
  app.add_option("--lrp-toolbox-config", a.config,
                 "run a config file of the LRP Toolbox's Caffe demonstrator: CONFIG LIST ROOT");
  app.add_flag("--toolbox-transposed-mean", a.transposed_mean,
               "subtract the mean image transposed, as the demonstrator does");
}

void run_toolbox_config(const ToolboxArguments& a, const std::vector<std::string>& operands,
                        bool group_bias) {
  if (operands.size() != 2)
    throw CLI::ValidationError("--lrp-toolbox-config", "expected CONFIG LIST ROOT");
  const std::vector<ToolboxImage> images = read_toolbox_list(operands[0], operands[1]);
  ToolboxRun(a, group_bias).run(images);
}

}  // namespace fovea::apps
