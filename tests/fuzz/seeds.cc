// Writes the first corpus of every fuzzer: FOLDER/<target>/<name>.
#include <cstring>
#include <filesystem>
#include <iostream>

#include "data/datum.h"
#include "data/format.h"
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
