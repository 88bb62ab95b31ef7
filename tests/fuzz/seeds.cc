// Writes the first corpus of every fuzzer: FOLDER/<target>/<name>.
#include <cstring>
#include <filesystem>
#include <iostream>

#include "data/datum.h"
#include "data/format.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/io/safetensors.h"
#include "engine/train/config.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

void write_seeds(const fs::path& folder) {
  const auto seed = [&](const std::string& target, const std::string& name,
                        const std::string& bytes) {
    fs::create_directories(folder / target);
    write_input(folder / target / name, bytes);
  };
  const fs::path scratch = folder / "scratch.store";
  for (const bool appended : {false, true}) {
    write_sample_store(scratch);
    if (appended) append_to_sample_store(scratch);
    const std::string bytes = read_file(scratch);
    store_format::Trailer trailer;
    std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof trailer, sizeof trailer);
    const std::string name = appended ? "appended" : "plain";
    seed("store", name, bytes);
    seed("index", name, bytes.substr(trailer.index_offset, trailer.index_size));
  }
  fs::remove(scratch);
  const Image image = from_planes(random_bytes(3 * 16 * 16, 1), 3, 16, 16);
  seed("image", "jpeg", encode_jpeg(image, 80));
  seed("image", "png", encode_png(image));
  seed("idx", "images",
       std::string("\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x02"
                   "abcd",
                   20));
  seed("datum", "raw",
       write_datum({.channels = 1, .height = 1, .width = 2, .data = "ab", .label = 3}));
  seed("datum", "float", write_datum({.channels = 1, .height = 1, .width = 1, .float_data = {1}}));
  seed("datum", "encoded", write_datum({.data = "x", .label = 1, .encoded = true}));
  seed("fold_file", "two",
       "user_id\toriginal_image\tface_id\tage\tgender\nu\ta.jpg\t1\t(25, "
       "23)\tm\nv\tb.jpg\t2\tNone\tu\n");
  seed("image_list", "list", "a/b.jpg 3\nc d.png 0\n");
  seed("image_list", "csv", "Cpath,age\r\na.jpg,\"(0, 2)\"\r\nb.jpg,\r\n");
  seed("prototxt", "net",
       "name: \"n\" # c\nlayer { name: 'a' type: \"Convolution\" convolution_param { num_output: 4 "
       "kernel_size: 3 bias_filler { value: -1e-3 } } include: { phase: TRAIN } }\n");

  const fs::path file = folder / "scratch.file";
  write_safetensors(file, {.tensors = {{"a.weight", Tensor<float>(Shape{2, 1}, {1, 2})},
                                       {"a.bias", Tensor<float>(Shape{1}, std::vector<float>{3})}},
                           .metadata = {{"classes", "[\"m\"]"}}});
  seed("safetensors", "two", read_file(file));
  write_npy(file, Tensor<float>(Shape{1, 2}, {1, 2}).view());
  seed("npy", "floats", read_file(file));
  fs::remove(file);
  for (const char* type : {"<f8", "|u1", "<i4", "<i8"}) {
    const std::string header =
        str("{'descr': '", type, "', 'fortran_order': False, 'shape': (1,), }\n");
    seed("npy", std::string(type + 1),
         std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) + '\0' + header +
             std::string(static_cast<std::size_t>(type[2] - '0'), '\1'));
  }
  // Every kind of layer, and the study's nets.
  seed("net", "every", R"({"name": "n", "parameters": {"classes": 2},
    "input": {"name": "data", "shape": [3, 9, 9]},
    "defaults": {"convolution": {"weight_filler": {"type": "gaussian", "std": 0.1}}},
    "layers": [{"name": "c", "type": "convolution", "outputs": 4, "kernel": 3, "stride": 2, "pad": 1, "groups": 1},
      {"name": "r", "type": "relu"}, {"name": "l", "type": "lrn", "alpha": 0.1},
      {"name": "p", "type": "pooling", "kernel": 3, "stride": 2},
      {"name": "q", "type": "pooling", "bottom": "l", "mode": "average", "kernel": 3, "stride": 2},
      {"name": "b", "type": "concat", "bottom": ["p", "q"]}, {"name": "d", "type": "dropout", "ratio": 0.5},
      {"name": "s", "type": "inner_product", "outputs": "$classes"},
      {"name": "loss", "type": "softmax_loss", "bottom": ["s", "label"], "phase": ["train", "test"]},
      {"name": "prob", "type": "softmax", "phase": "deploy"}]})");
  seed("net", "adiencenet", read_file(fs::path(FOVEA_SOURCE_DIR) / "nets/adiencenet.json"));
  seed("net", "config", "C" + write_json(TrainConfig()).dump());
  // Sizes whose sums and products are beyond any integer.
  for (const char* size : {"9223372036854775807", "4611686018427387904", "2147483648"}) {
    seed("net", str("outputs_", size),
         str(R"({"name": "n", "input": {"name": "data", "shape": [3, 9, 9]}, "layers": [)",
             R"({"name": "c", "type": "convolution", "outputs": )", size,
             R"(, "kernel": 1}, {"name": "p", "type": "pooling", "kernel": 2, "pad": )", size,
             "}]}"));
    seed("net", str("input_", size),
         str(R"({"name": "n", "input": {"name": "data", "shape": [3, )", size, ", ", size,
             R"(]}, "layers": [{"name": "r", "type": "relu"}]})"));
  }
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: seeds FOLDER\n";
    return 2;
  }
  fovea::write_seeds(argv[1]);
}
