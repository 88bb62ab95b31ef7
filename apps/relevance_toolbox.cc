#include "apps/relevance_toolbox.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <sstream>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/resolve.h"
#include "data/colormap.h"
#include "data/mean.h"
#include "data/picture.h"
#include "data/resize.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/io/weights.h"
#include "engine/relevance/analyzer.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Config {
  std::string param_file, model_file, mean_file, synsetfile, standalone_outpath,
      standalone_rootpath;
  int use_mean_file_asbinaryprotoblob = 1, lastlayerindex = -2, firstlayerindex = 0, numclasses = 0,
      baseimgsize = 0, relpropformulatype = 0,
      auxiliaryvariable_maxlayerindexforflatdistinconv = -1;
  float epsstab = 0, alphabeta_beta = 0;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("param_file", c.param_file), v("model_file", c.model_file), v("mean_file", c.mean_file),
        v("synsetfile", c.synsetfile),
        v("use_mean_file_asbinaryprotoblob", c.use_mean_file_asbinaryprotoblob),
        v("lastlayerindex", c.lastlayerindex), v("firstlayerindex", c.firstlayerindex),
        v("numclasses", c.numclasses), v("baseimgsize", c.baseimgsize),
        v("standalone_outpath", c.standalone_outpath),
        v("standalone_rootpath", c.standalone_rootpath), v("epsstab", c.epsstab),
        v("alphabeta_beta", c.alphabeta_beta), v("relpropformulatype", c.relpropformulatype),
        v("auxiliaryvariable_maxlayerindexforflatdistinconv",
          c.auxiliaryvariable_maxlayerindexforflatdistinconv);
  }
};
constexpr std::string_view kOptional = "auxiliaryvariable_maxlayerindexforflatdistinconv";

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool is_name(const std::string& word) {
  return std::ranges::all_of(word, [](unsigned char c) { return std::isalnum(c) || c == '_'; }) &&
         !std::isdigit(static_cast<unsigned char>(word[0]));
}

// The value as the JSON that the field's type asks for.
template <class T>
void read_value(const std::string& text, T& field, const std::string& where) {
  if constexpr (std::is_same_v<T, std::string>) {
    field = text;
  } else {
    const Json json = Json::parse(text, nullptr, false);
    read_json(json.is_discarded() ? Json(text) : json, field, where);
  }
}

Config read_config(const std::string& file) {
  std::istringstream stream(read_file(file));
  Config config;
  std::vector<std::string> seen;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() != 1 || !is_name(words[0])) continue;
    const std::string where = str(file, ":", number, ": ", words[0]);
    require(std::ranges::find(seen, words[0]) == seen.end(), "key given twice in ", where);
    const bool more = static_cast<bool>(std::getline(stream, line));
    ++number;
    const std::vector<std::string> value = more ? words_of(line) : std::vector<std::string>{};
    bool known = false;
    visit_fields(config, [&](std::string_view name, auto& field) {
      if (name != words[0]) return;
      known = true;
      require(!value.empty(), "no value in ", where, ", expected it on the next line");
      read_value(value[0], field, where);
    });
    require(known, "unknown key in ", file, ":", number - 1, ": '", words[0], "'",
            did_you_mean(words[0], field_names<Config>()));
    seen.push_back(words[0]);
  }
  for (const std::string& name : field_names<Config>()) {
    require(name == kOptional || std::ranges::find(seen, name) != seen.end(), "missing key in ",
            file, ": ", name);
  }
  return config;
}

struct ListedImage {
  std::string path;  // ROOT/path
  int kind = -1;     // class, -1 or -2
};

std::vector<ListedImage> read_list(const std::string& file, const std::string& root) {
  std::istringstream stream(read_file(file));
  std::vector<ListedImage> images;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    ListedImage image;
    require(words.size() == 2, "wrong line in ", file, ":", number, ": '", line,
            "', expected PATH CLASS");
    read_value(words[1], image.kind, str(file, ":", number));
    require(image.kind >= -2, "wrong class in ", file, ":", number, ": ", image.kind,
            ", expected -2, -1 or a class");
    image.path = root + "/" + words[0];
    images.push_back(std::move(image));
  }
  require(!images.empty(), "no image in ", file);
  return images;
}

// (3, H, W), blue green red.
Tensor<float> read_toolbox_mean(const Config& config) {
  const int kind = config.use_mean_file_asbinaryprotoblob;
  require(kind >= 0 && kind <= 2, "wrong value for use_mean_file_asbinaryprotoblob: ", kind,
          ", expected 0 (text), 1 (blue green red) or 2 (red green blue)");
  if (kind > 0) {
    Tensor<float> mean = read_mean(config.mean_file);
    require(mean.shape[0] == 3, "wrong mean image in ", config.mean_file, ": ", mean.shape,
            ", expected three channels");
    const auto plane = mean.shape[1] * mean.shape[2];
    if (kind == 2)
      std::swap_ranges(mean.values.begin(), mean.values.begin() + plane,
                       mean.values.begin() + 2 * plane);
    return mean;
  }
  // Text: channels, rows, columns, then the values of each channel column by column.
  std::istringstream stream(read_file(config.mean_file));
  std::int64_t channels = 0, rows = 0, columns = 0;
  stream >> channels >> rows >> columns;
  require(stream && channels == 3 && rows > 0 && columns > 0 && rows <= 32768 && columns <= 32768,
          "wrong mean image in ", config.mean_file, ", expected '3 ROWS COLUMNS' and the values");
  Tensor<float> mean({channels, rows, columns});
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t w = 0; w < columns; ++w) {
      for (std::int64_t h = 0; h < rows; ++h)
        stream >> mean.values[static_cast<std::size_t>((c * rows + h) * columns + w)];
    }
  }
  require(static_cast<bool>(stream), "truncated mean image in ", config.mean_file);
  return mean;
}

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

class ToolboxRun {
 public:
  ToolboxRun(const ToolboxArguments& a, bool group_bias)
      : a_(a), config_(read_config(a.config)), mean_(read_toolbox_mean(config_)) {
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
    analyzer_ = std::make_unique<Analyzer>(graph, options_of(graph, group_bias));
    load_all_weights(analyzer_->executor(), config_.model_file);
    analyzer_->weights_changed();
  }

  void run(const std::vector<ListedImage>& images) {
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
    AnalyzerOptions options{.device = resolve_device(), .first = config_.firstlayerindex};
    CompositeOverrides overrides{.epsilon = config_.epsstab,
                                 .beta = config_.alphabeta_beta,
                                 .toolbox_group_bias = group_bias};
    const int limit = config_.auxiliaryvariable_maxlayerindexforflatdistinconv;
    if (limit >= 0) overrides.flat_until = limit;
    options.composite = load_composite(str("toolbox-", config_.relpropformulatype), overrides);
    options.last = config_.lastlayerindex == -2 ? -1 : config_.lastlayerindex;
    if (config_.lastlayerindex == -1) options.last = below_first_softmax(graph);
    require(config_.lastlayerindex >= -2, "wrong value for lastlayerindex in ", a_.config, ": ",
            config_.lastlayerindex, ", expected -2, -1 or a layer index");
    options.mean = window_of_mean();
    return options;
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
  Image load(const ListedImage& listed, const Tensor<float>& mean, float* input) const {
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

  void run_batch(std::span<const ListedImage> images, TensorView<float> input) {
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
      orders.push_back(by_score(of_image));
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

  static std::vector<StartUnit> starts_of(const ListedImage& image, const std::vector<int>& order) {
    if (image.kind >= 0) return {{.unit = image.kind}};
    std::vector<StartUnit> starts;
    const std::size_t count = image.kind == -2 ? std::min<std::size_t>(5, order.size()) : 1;
    for (std::size_t i = 0; i < count; ++i) starts.push_back({.unit = order[i]});
    return starts;
  }

  void write(const ListedImage& image, const Image& seen, const std::vector<int>& order,
             std::span<const float> scores, TensorView<const float> relevance) const {
    const std::size_t at = image.path.find(config_.standalone_rootpath);
    require(at != std::string::npos, "image ", image.path, " does not lie under '",
            config_.standalone_rootpath, "', the standalone_rootpath of ", a_.config);
    const fs::path stem = fs::path(config_.standalone_outpath) / image.path.substr(at);
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
  Config config_;
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
  const std::vector<ListedImage> images = read_list(operands[0], operands[1]);
  ToolboxRun(a, group_bias).run(images);
}

}  // namespace fovea::apps
