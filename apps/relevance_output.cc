#include "apps/relevance_output.h"

#include <filesystem>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "data/colormap.h"
#include "data/picture.h"
#include "engine/core/file.h"
#include "engine/core/npy.h"

namespace fovea::apps {

namespace fs = std::filesystem;

namespace {

std::string file_name(std::string blob) {
  for (std::size_t at = blob.find('/'); at != std::string::npos; at = blob.find('/'))
    blob.replace(at, 1, "__");
  return blob;
}

}  // namespace

void write_maps(const OutputArguments& a, const Sample& sample, TensorView<const float> relevance) {
  const fs::path folder(a.out);
  const Colormap& map = find_colormap(a.colormap);
  write_file(folder / (sample.name + ".heatmap.png"), encode_png(heatmap(relevance, map)),
             common().force);
  if (!sample.picture.pixels.empty()) {
    write_file(folder / (sample.name + ".overlay.png"),
               encode_png(overlay(sample.picture, relevance, map)), common().force);
  }
  if (a.raw) write_npy(folder / (sample.name + ".relevance.npy"), relevance, common().force);
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

Json image_json(const Analyzer& analyzer, const std::string& name, int target, double score,
                std::size_t n) {
  Json layers = Json::array();
  for (const LayerRelevance& layer : analyzer.layers()) {
    layers.push_back({{"name", layer.name},
                      {"sum", layer.sum[n]},
                      {"absorbed_bias", layer.absorbed_bias[n]},
                      {"absorbed_eps", layer.absorbed_epsilon[n]}});
  }
  return {{"name", name},
          {"target", target},
          {"score", score},
          {"relevance_sum", analyzer.layers().back().sum[n]},
          {"layers", layers}};
}

void print_table(const Json& image) {
  std::cout << image["name"].get<std::string>() << ": class " << image["target"] << ", score "
            << image["score"].get<double>() << ", relevance "
            << image["relevance_sum"].get<double>()
            << "\n  layer                          sum           bias        epsilon\n";
  for (const Json& layer : image["layers"]) {
    std::cout << "  " << std::left << std::setw(24) << layer["name"].get<std::string>()
              << std::right << std::setprecision(6);
    for (const char* key : {"sum", "absorbed_bias", "absorbed_eps"})
      std::cout << std::setw(15) << layer[key].get<double>();
    std::cout << '\n';
  }
}

}  // namespace fovea::apps
