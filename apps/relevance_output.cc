#include "apps/relevance_output.h"

#include <filesystem>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "data/colormap.h"
#include "data/picture.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"

namespace fovea::apps {

namespace fs = std::filesystem;

namespace {

std::string file_name(std::string blob) {
  for (std::size_t at = blob.find('/'); at != std::string::npos; at = blob.find('/'))
    blob.replace(at, 1, "__");
  return blob;
}

MapScale scale_of(const OutputArguments& a, const Colormap& map) {
  MapScale scale{.limit = a.limit == 0 && a.normalize == "none" ? 1.0F : a.limit};
  const std::string range = !a.range.empty() ? a.range : map.sequential ? "absolute" : "symmetric";
  read_json(Json(range), scale.range, "--range");
  read_json(Json(a.channel_fold), scale.channels, "--channel-fold");
  return scale;
}

// The map of a picture's pixels: relevance of an inner layer's positions is spread over the parts
// that they stand for. Without a picture the map as it is.
Tensor<float> at_size_of(const Image& picture, TensorView<const float> relevance,
                         ChannelFold channels) {
  const Tensor<float> map = pixel_map(relevance, channels);
  if (picture.pixels.empty()) return map;
  Tensor<float> large(Shape{picture.height, picture.width});
  for (std::int64_t h = 0; h < picture.height; ++h) {
    for (std::int64_t w = 0; w < picture.width; ++w)
      large.view()(h, w) =
          map.view()(h * map.shape[0] / picture.height, w * map.shape[1] / picture.width);
  }
  return large;
}

}  // namespace

void write_maps(const OutputArguments& a, const Sample& sample, TensorView<const float> relevance) {
  const fs::path folder(a.out);
  const bool positions = relevance.shape.rank() >= 2;  // units of an inner product have none
  if (a.raw || !positions)
    write_npy(folder / (sample.name + ".relevance.npy"), relevance, common().force);
  if (!positions) return;
  const Colormap& map = find_colormap(a.colormap);
  const MapScale scale = scale_of(a, map);
  write_file(folder / (sample.name + ".heatmap.png"), encode_png(heatmap(relevance, map, scale)),
             common().force);
  const Tensor<float> seen = at_size_of(sample.picture, relevance, scale.channels);
  if (!sample.picture.pixels.empty()) {
    write_file(folder / (sample.name + ".overlay.png"),
               encode_png(overlay(sample.picture, seen.view(), map, scale)), common().force);
  }
  if (a.panel) {
    write_file(folder / (sample.name + ".panel.png"),
               encode_png(panel(sample.picture, seen.view(), map, scale)), common().force);
  }
}

float largest_value_of(const OutputArguments& a, TensorView<const float> relevance) {
  const MapScale scale = scale_of(a, find_colormap(a.colormap));
  return largest_value(pixel_map(relevance, scale.channels).values, scale.range);
}

void write_layers(const OutputArguments& a, const Analyzer& analyzer, const std::string& name,
                  std::int64_t n) {
  for (const LayerRelevance& layer : analyzer.layers()) {
    if (a.layers != "all" &&
        ("," + a.layers + ",").find("," + layer.name + ",") == std::string::npos)
      continue;
    const Tensor<float> all = analyzer.relevance_at(layer.node);
    const auto size = all.shape.count_from(1);
    const Shape shape(std::span<const std::int64_t>(all.shape.begin() + 1, all.shape.end()));
    write_npy(
        fs::path(a.out) / str(name, ".", layer.node, ".", file_name(layer.name), ".relevance.npy"),
        {all.values.data() + n * size, shape}, common().force);
  }
}

Json image_json(const Analyzer& analyzer, const std::string& name,
                std::span<const StartUnit> starts, double score, double relevance_sum,
                std::size_t n) {
  Json layers = Json::array(), targets = Json::array();
  for (const LayerRelevance& layer : analyzer.layers()) {
    layers.push_back({{"name", layer.name},
                      {"incoming", layer.incoming[n]},
                      {"sum", layer.sum[n]},
                      {"absorbed_bias", layer.absorbed_bias[n]},
                      {"absorbed_eps", layer.absorbed_epsilon[n]},
                      {"absorbed_padding", layer.absorbed_padding[n]}});
  }
  for (const StartUnit& start : starts)
    targets.push_back({{"class", start.unit}, {"weight", start.weight}});
  Json image = {{"name", name},
                {"target", starts.empty() ? -1 : starts[0].unit},
                {"score", score},
                {"relevance_sum", relevance_sum},
                {"layers", layers}};
  if (starts.size() > 1) image["targets"] = targets;
  return image;
}

void print_table(const Json& image) {
  constexpr std::pair<const char*, const char*> kColumns[] = {{"incoming", "incoming"},
                                                              {"outgoing", "sum"},
                                                              {"bias", "absorbed_bias"},
                                                              {"epsilon", "absorbed_eps"},
                                                              {"padding", "absorbed_padding"}};
  std::cout << image["name"].get<std::string>() << ": class " << image["target"];
  if (image.contains("targets")) std::cout << " and " << image["targets"].size() - 1 << " more";
  std::cout << ", score " << image["score"].get<double>() << ", relevance "
            << image["relevance_sum"].get<double>() << '\n';
  if (image["layers"].empty()) return;
  std::cout << "  " << std::left << std::setw(28) << "layer" << std::right;
  for (const auto& [title, key] : kColumns) std::cout << std::setw(13) << title;
  std::cout << '\n';
  for (const Json& layer : image["layers"]) {
    std::cout << "  " << std::left << std::setw(28) << layer["name"].get<std::string>()
              << std::right << std::setprecision(6);
    for (const auto& [title, key] : kColumns)
      std::cout << std::setw(13) << layer[key].get<double>();
    std::cout << '\n';
  }
}

bool is_off(const StepError& error) { return !(error.largest <= kStepTolerance); }

Json verification_json(std::span<const StepError> errors) {
  Json layers = Json::array();
  for (const StepError& e : errors)
    layers.push_back({{"name", e.layer}, {"largest", e.largest}, {"l1", e.l1}, {"off", is_off(e)}});
  return layers;
}

void print_verification(const std::string& name, std::span<const StepError> errors) {
  std::cout << name << ": float beside double, over the largest value and over the sum (tolerance "
            << kStepTolerance << " of the largest)\n";
  for (const StepError& error : errors) {
    std::cout << "  " << std::left << std::setw(28) << error.layer << std::right
              << std::setprecision(3) << std::setw(13) << error.largest << std::setw(13) << error.l1
              << (is_off(error) ? "  off" : "") << '\n';
  }
}

}  // namespace fovea::apps
