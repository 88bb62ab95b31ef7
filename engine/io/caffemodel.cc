#include "engine/io/caffemodel.h"

#include "engine/core/file.h"
#include "engine/io/caffe_blob.h"
#include "engine/io/wire.h"

namespace fovea {
namespace {

// Field numbers of caffe.proto.
struct LayerForm {
  unsigned layers, name, blobs;
};
constexpr LayerForm kPresent{100, 1, 7}, kOlder{2, 4, 6};

std::string tensor_name(const std::string& layer, std::size_t blob) {
  return layer + (blob == 0 ? ".weight" : blob == 1 ? ".bias" : str(".blob", blob));
}

void read_layer(std::string_view bytes, const LayerForm& form, const std::string& file,
                WeightFile& result) {
  std::string name;
  std::vector<std::string_view> blobs;
  for (WireReader message(bytes, file); !message.done();) {
    const std::uint64_t tag = message.varint();
    if (tag == (form.name << 3 | kBytes)) {
      name = message.bytes();
    } else if (tag == (form.blobs << 3 | kBytes)) {
      blobs.push_back(message.bytes());
    } else {
      message.skip(tag & 7);
    }
  }
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    const std::string tensor = tensor_name(name, i);
    require(!result.find(tensor), "damaged file: ", file, ": tensor ", tensor,
            " twice, expected every layer once");
    result.tensors.emplace_back(tensor, parse_caffe_blob(blobs[i], file + ": tensor " + tensor));
  }
}

}  // namespace

WeightFile read_caffemodel(const std::filesystem::path& path) {
  const std::string bytes = read_file(path), file = path.string();
  WeightFile result;
  for (WireReader message(bytes, file); !message.done();) {
    const std::uint64_t tag = message.varint();
    if (tag == (kPresent.layers << 3 | kBytes)) {
      read_layer(message.bytes(), kPresent, file, result);
    } else if (tag == (kOlder.layers << 3 | kBytes)) {
      read_layer(message.bytes(), kOlder, file, result);
    } else {
      message.skip(tag & 7);
    }
  }
  require(!result.tensors.empty(), "no weights in ", file, ", expected a Caffe model");
  return result;
}

}  // namespace fovea
