// Weight files: what is written comes back, and no damaged file does more than throw one line.
#include <gtest/gtest.h>

#include <cstring>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/io/caffemodel.h"
#include "engine/io/weights.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

WeightFile sample_file() {
  WeightFile file{.tensors = {}, .metadata = {{"note", "two\nlines, \"quoted\""}}};
  file.tensors.emplace_back("inception_3a/1x1.weight",
                            Tensor<float>(Shape{2, 1, 1, 3}, {1, 2, 3, 4, 5, -0.0F}));
  file.tensors.emplace_back("a.bias", Tensor<float>(Shape{2}, {1e-40F, 3e38F}));
  return file;
}

// A safetensors file with this header and `data` zero bytes.
std::string file_with(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data, '\0');
}

// Reads `bytes` as a weight file called `name`; "" when it is accepted.
std::string error_of(const TemporaryFolder& folder, const std::string& name,
                     const std::string& bytes) {
  write_file(folder / name, bytes);
  return message_of([&] { (void)read_weights(folder / name); });
}

TEST(Safetensors, ComesBackAsItWasWritten) {
  const TemporaryFolder folder;
  const WeightFile file = sample_file();
  write_safetensors(folder / "w.safetensors", file);
  const WeightFile read = read_safetensors(folder / "w.safetensors");
  EXPECT_EQ(read.metadata, file.metadata);
  ASSERT_EQ(read.tensors.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.tensors[i].first, file.tensors[i].first);
    EXPECT_EQ(read.tensors[i].second.shape, file.tensors[i].second.shape);
    EXPECT_EQ(
        std::memcmp(read.tensors[i].second.values.data(), file.tensors[i].second.values.data(),
                    file.tensors[i].second.values.size() * sizeof(float)),
        0);
  }
  write_safetensors(folder / "again.safetensors", read);
  EXPECT_EQ(read_file(folder / "w.safetensors"), read_file(folder / "again.safetensors"));
}

TEST(Safetensors, LiesAsTheFormatSays) {
  const TemporaryFolder folder;
  write_safetensors(folder / "w.safetensors", sample_file());
  const std::string bytes = read_file(folder / "w.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(bytes.size(), 8 + length + 8 * sizeof(float));
  const Json header = Json::parse(bytes.substr(8, length));
  EXPECT_EQ(header["a.bias"]["dtype"], "F32");
  EXPECT_EQ(header["a.bias"]["data_offsets"], Json::parse("[24, 32]"));
  float second = 0;
  std::memcpy(&second, bytes.data() + 8 + length + 4, 4);
  EXPECT_EQ(second, 2.0F);
}

TEST(Safetensors, EveryTruncationIsOneLineThatNamesTheFile) {
  const TemporaryFolder folder;
  write_safetensors(folder / "w.safetensors", sample_file());
  const std::string bytes = read_file(folder / "w.safetensors");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string message = error_of(folder, "cut.safetensors", bytes.substr(0, size));
    EXPECT_NE(message.find("cut.safetensors"), std::string::npos) << size << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  EXPECT_NE(error_of(folder, "long.safetensors", bytes + "x"), "");
}

TEST(Safetensors, EveryFlippedHeaderBitIsAnErrorOrAFileOfTheSameSize) {
  const TemporaryFolder folder;
  write_safetensors(folder / "w.safetensors", sample_file());
  const std::string bytes = read_file(folder / "w.safetensors");
  const std::size_t header = bytes.size() - 8 * sizeof(float);
  for (std::size_t bit = 0; bit < header * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write_file(folder / "flipped.safetensors", flipped);
    try {
      std::int64_t floats = 0;
      for (const auto& [name, t] : read_safetensors(folder / "flipped.safetensors").tensors)
        floats += t.shape.count();
      EXPECT_EQ(floats, 8) << "bit " << bit;
    } catch (const Error&) {
    }
  }
}

TEST(Safetensors, WrongHeadersSayWhatIsWrong) {
  struct Case {
    const char* header;
    std::size_t data;
    const char* expected;
  };
  const Case cases[] = {
      {"[1]", 0, "not a safetensors file"},
      {"{nonsense", 0, "not JSON"},
      {R"({"a": 3})", 0, "tensor a"},
      {R"({"a": {"dtype": "F32", "shape": [1]}})", 4, "expected dtype, shape and data_offsets"},
      {R"({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}})", 4, "\"F16\""},
      {R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 8, "wrong offsets"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 4, "wrong offsets"},
      {R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, "wrong shape"},
      {R"({"a": {"dtype": "F32", "shape": [1],
           "data_offsets": [9223372036854775807, -9223372036854775807]}})",
       4, "wrong offsets"},
      {R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]}})", 4,
       "wrong shape"},
      {R"({"a": {"dtype": "F32", "shape": [1,1,1,1,1], "data_offsets": [0, 4]}})", 4, "4 axes"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
           "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})",
       4, "overlapping tensors"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8, "unused bytes"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 8, "unused bytes"},
      {R"({"__metadata__": {"a": 1}})", 0, "__metadata__.a"},
  };
  const TemporaryFolder folder;
  for (const Case& c : cases) {
    const std::string message = error_of(folder, "wrong.safetensors", file_with(c.header, c.data));
    EXPECT_NE(message.find(c.expected), std::string::npos) << c.header << ": " << message;
    EXPECT_NE(message.find("wrong.safetensors"), std::string::npos) << message;
  }
}

TEST(Safetensors, MetadataIsReadWithoutTheTensors) {
  const TemporaryFolder folder;
  WeightFile file = sample_file();
  file.metadata = {{"iteration", "12"}, {"target", "age"}};
  write_safetensors(folder / "w.safetensors", file);
  EXPECT_EQ(read_safetensors_metadata(folder / "w.safetensors"), file.metadata);
  // The tensors need not even be there; a header that is not is an error.
  const std::string bytes = read_file(folder / "w.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  write_input(folder / "cut.safetensors", bytes.substr(0, 8 + length));
  EXPECT_EQ(read_safetensors_metadata(folder / "cut.safetensors"), file.metadata);
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{5}, 7 + length}) {
    write_input(folder / "cut.safetensors", bytes.substr(0, size));
    const std::string message =
        message_of([&] { (void)read_safetensors_metadata(folder / "cut.safetensors"); });
    EXPECT_NE(message.find("truncated"), std::string::npos) << size << ": " << message;
    EXPECT_NE(message.find("cut.safetensors"), std::string::npos) << message;
  }
  EXPECT_NE(message_of([&] { (void)read_safetensors_metadata(folder / "none"); }).find("none"),
            std::string::npos);
}

TEST(Safetensors, FailedWritesLeaveTheOldFile) {
  const TemporaryFolder folder;
  write_safetensors(folder / "w.safetensors", sample_file());
  const std::string before = read_file(folder / "w.safetensors");
  EXPECT_NE(message_of([&] {
              write_safetensors(folder / "w.safetensors", WeightFile{}, /*overwrite=*/false);
            }).find("output exists"),
            std::string::npos);
  EXPECT_EQ(read_file(folder / "w.safetensors"), before);
  EXPECT_NE(message_of([&] { write_safetensors(folder / "w.safetensors/below", WeightFile{}); }),
            "");
  EXPECT_EQ(read_file(folder / "w.safetensors"), before);
}

class SmallNet {
 public:
  SmallNet()
      : executor(build_graph({.name = "small",
                              .inputs = {{"data", Shape{1, 3}}},
                              .layers = {{.name = "fc",
                                          .op = InnerProductParams{.outputs = 2},
                                          .bottoms = {"data"},
                                          .tops = {"fc"},
                                          .params = {}}}}),
                 {.device = "reference"}) {}
  Executor executor;
};

TEST(LoadWeights, CopiesByNameAndReports) {
  SmallNet net;
  WeightFile file;
  file.tensors.emplace_back("fc.weight", Tensor<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6}));
  file.tensors.emplace_back("other.weight", Tensor<float>(Shape{1}));
  file.tensors.emplace_back("__mean__", Tensor<float>(Shape{1}));
  const WeightReport report = load_weights(net.executor, file, "w");
  EXPECT_EQ(report.matched, std::vector<std::string>{"fc.weight"});
  EXPECT_EQ(report.missing, std::vector<std::string>{"fc.bias"});
  EXPECT_EQ(report.unused, std::vector<std::string>{"other.weight"});
  EXPECT_EQ(net.executor.param(0), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(LoadWeights, AcceptsLegacyShapesWithLeadingOnes) {
  SmallNet net;
  WeightFile file;
  file.tensors.emplace_back("fc.weight", Tensor<float>(Shape{1, 1, 2, 3}, 7.0F));
  file.tensors.emplace_back("fc.bias", Tensor<float>(Shape{1, 1, 1, 2}, 8.0F));
  EXPECT_TRUE(load_weights(net.executor, file, "w").missing.empty());
  EXPECT_EQ(net.executor.param(1), (std::vector<float>{8, 8}));
}

TEST(LoadWeights, AnotherShapeNamesFileTensorFoundAndExpectedAndCopiesNothing) {
  SmallNet net;
  WeightFile file;
  file.tensors.emplace_back("fc.weight", Tensor<float>(Shape{2, 3}, 7.0F));
  file.tensors.emplace_back("fc.bias", Tensor<float>(Shape{3}));
  const std::string message = message_of([&] { load_weights(net.executor, file, "w.file"); });
  EXPECT_EQ(message, "wrong shape in w.file: tensor fc.bias: 3, expected 2");
  EXPECT_EQ(net.executor.param(0), std::vector<float>(6, 0.0F));
}

TEST(Caffemodel, BothFormsGiveTheReferenceWeights) {
  const fs::path folder = fs::path(FOVEA_ORACLE) / "formats/caffemodel";
  if (!fs::exists(folder)) GTEST_SKIP() << "the reference numbers are not here";
  for (const char* model : {"small.caffemodel", "small_v1.caffemodel"}) {
    for (const char* net : {"net.prototxt", "net_v1.prototxt"}) {
      SCOPED_TRACE(str(model, " into ", net));
      Executor executor(build_graph(load_net(folder / net)), {.device = "cpu"});
      load_all_weights(executor, folder / model);
      for (std::size_t k = 0; k < executor.param_count(); ++k)
        EXPECT_EQ(executor.param(k), read_npy(folder / str("learnable", k, ".npy")).values) << k;
      const Tensor<float> input = read_npy(folder / "input.npy");
      std::ranges::copy(input.values, executor.input("data").data);
      executor.forward();
      const std::vector<float> expected = read_npy(folder / "prob.npy").values;
      const std::vector<float> actual = executor.blob("prob").values;
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5);
    }
  }
}

// A message field: tag and length in front of `content`, both below 128.
std::string field(unsigned number, const std::string& content) {
  return str(static_cast<char>(number << 3 | 2), static_cast<char>(content.size()), content);
}

TEST(Caffemodel, DamageIsOneLine) {
  const float values[] = {1, 2, 3};
  const std::string data(reinterpret_cast<const char*>(values), sizeof values);
  const std::string blob = field(7, field(1, "\3")) + field(5, data);  // shape (3)
  const std::string layer = field(4, "fc") + field(6, blob);           // the older form
  const std::string good = field(1, "a net") + field(2, layer);
  const TemporaryFolder folder;
  write_file(folder / "good.caffemodel", good);
  const WeightFile file = read_caffemodel(folder / "good.caffemodel");
  ASSERT_EQ(file.tensors.size(), 1U);
  EXPECT_EQ(file.tensors[0].first, "fc.weight");
  EXPECT_EQ(file.tensors[0].second.values, (std::vector<float>{1, 2, 3}));

  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::string message = error_of(folder, "cut.caffemodel", good.substr(0, size));
    EXPECT_NE(message.find("cut.caffemodel"), std::string::npos) << size << ": " << message;
  }
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const std::string message = error_of(folder, "flipped.caffemodel", flipped);
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  EXPECT_NE(error_of(folder, "twice.caffemodel", good + field(2, layer)).find("fc.weight twice"),
            std::string::npos);
}

}  // namespace
}  // namespace fovea
