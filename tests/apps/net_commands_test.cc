// `fovea net`, `forward`, `predict`, `bench net` and `devices` as a user runs them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "data/image.h"
#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

Json json_of(const CommandResult& result) {
  EXPECT_EQ(result.code, 0) << result.err;
  return Json::parse(result.out);
}

// A net of one convolution and one inner product, with weights.
class NetCommands : public testing::Test {
 protected:
  NetCommands() {
    write_toy_net(folder_ / "toy.json");
    EXPECT_EQ(
        run({"net", "init", file("toy.json"), "--out", file("w.safetensors"), "--seed", "3"}).code,
        0);
  }
  CommandResult run(const std::vector<std::string>& arguments) const {
    return run_command(folder_.path(), arguments);
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / name).string();
  }

  TemporaryFolder folder_;
};

TEST_F(NetCommands, ShowCountsParametersAndProducts) {
  const Json net = json_of(run({"net", "show", file("toy.json"), "--json"}));
  EXPECT_EQ(net["parameters"], 6 * 27 + 6 + 2 * 6 * 4 + 2);
  EXPECT_EQ(net["macs"], 16 * 6 * 27 + 2 * 24);
  const Json& conv = net["layers"][0];
  EXPECT_EQ(conv["name"], "conv");
  EXPECT_EQ(conv["type"], "Convolution");
  EXPECT_EQ(conv["output"], Json::parse("[1, 6, 4, 4]"));
  EXPECT_EQ(net["layers"].back()["name"], "prob");
  const Json batch = json_of(run({"net", "show", file("toy.json"), "--json", "--batch", "5"}));
  EXPECT_EQ(batch["macs"], 5 * net["macs"].get<std::int64_t>());
}

TEST_F(NetCommands, InitMakesTheFolderOfItsWeights) {
  const CommandResult result =
      run({"net", "init", file("toy.json"), "--out", file("new/deep/w.safetensors")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(fs::exists(folder_ / "new/deep/w.safetensors"));
}

TEST_F(NetCommands, NumbersOutOfRangeAreNamedInShort) {
  const auto expect_short = [&](const std::vector<std::string>& arguments,
                                const std::string& message) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_NE(result.err.find(message + "\n"), std::string::npos) << result.err;
  };
  expect_short({"relevance", "--limit-at", "-1", "x.png"},
               "--limit-at: '-1', expected a number that is not negative");
  expect_short({"check", "toy", "--bound-scale", "x"},
               "--bound-scale: 'x', expected a number that is not negative");
  expect_short({"model", "bundle", "--scale", "0"}, "--scale: '0', expected a number above 0");
}

TEST_F(NetCommands, ShowPrintsColumnsApart) {
  const CommandResult table = run({"net", "show", "caffenet"});
  ASSERT_EQ(table.code, 0) << table.err;
  std::istringstream lines(table.out);
  std::string line, name, type, shape;
  std::int64_t parameters = 0, macs = 0, bytes = 0;
  std::getline(lines, line);
  std::getline(lines, line);
  std::istringstream(line) >> name >> type >> shape >> parameters >> macs >> bytes;
  EXPECT_EQ(name, "conv1");
  EXPECT_EQ(parameters, 96 * (3 * 11 * 11 + 1));
  EXPECT_EQ(macs, std::int64_t{55} * 55 * 96 * 3 * 11 * 11);
  EXPECT_EQ(bytes, 55 * 55 * 96 * 4);
}

TEST_F(NetCommands, InitIsAFunctionOfTheSeed) {
  const auto init = [&](const std::string& name, const std::string& seed) {
    EXPECT_EQ(run({"net", "init", file("toy.json"), "--out", file(name), "--seed", seed}).code, 0);
    return read_file(folder_ / name);
  };
  const std::string first = init("a.safetensors", "3");
  EXPECT_EQ(first, read_file(folder_ / "w.safetensors"));
  EXPECT_NE(first, init("b.safetensors", "4"));
  expect_mistake(run({"net", "init", file("toy.json"), "--out", file("a.safetensors")}),
                 {"a.safetensors", "--force"});
}

TEST_F(NetCommands, ForwardWritesTheMainOutputAndWhatIsAskedFor) {
  const Tensor<float> x = random_tensor<float>({3, 3, 10, 10}, 5);
  write_npy(folder_ / "x.npy", x.view(), false);
  const std::vector<std::string> forward{
      "forward", "--net",      file("toy.json"), "--weights", file("w.safetensors"),
      "--input", file("x.npy")};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = forward;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  ASSERT_EQ(with({"--out", file("main")}).code, 0);
  const Tensor<float> prob = read_npy(folder_ / "main/prob.npy");
  EXPECT_EQ(prob.shape, (Shape{3, 2}));
  for (std::size_t n = 0; n < 3; ++n)
    EXPECT_NEAR(prob.values[2 * n] + prob.values[2 * n + 1], 1, 1e-6);
  EXPECT_FALSE(fs::exists(folder_ / "main/conv.npy"));

  ASSERT_EQ(with({"--out", file("all"), "--dump", "all"}).code, 0);
  EXPECT_EQ(read_npy(folder_ / "all/conv.npy").shape, (Shape{3, 6, 4, 4}));
  EXPECT_EQ(read_npy(folder_ / "all/prob.npy").values, prob.values);
  // Every device, the same numbers.
  const Json devices = json_of(run({"devices", "--json"}));
  for (const Json& device : devices["devices"]) {
    const auto name = device["name"].get<std::string>();
    const CommandResult on_device = with({"--out", file(name), "--device", name});
    ASSERT_EQ(on_device.code, 0) << on_device.err;
    EXPECT_TRUE(all_near(prob.values, read_npy(folder_ / name / "prob.npy").values, 1e-6)) << name;
  }

  expect_mistake(with({"--out", file("main")}), {"prob.npy", "--force"});
  expect_mistake(with({"--out", file("none"), "--dump", "cnv"}), {"cnv", "did you mean 'conv'"});
  write_npy(folder_ / "small.npy", random_tensor<float>({1, 3, 9, 9}, 5).view(), false);
  expect_mistake(run({"forward", "--net", file("toy.json"), "--weights", file("w.safetensors"),
                      "--input", file("small.npy"), "--out", file("none")}),
                 {"small.npy", "3x10x10"});
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(NetCommands, ForwardRefusesWeightsOfAnotherShapeOrName) {
  write_npy(folder_ / "x.npy", random_tensor<float>({1, 3, 10, 10}, 5).view(), false);
  const auto forward = [&](const std::string& weights) {
    return run({"forward", "--net", file("toy.json"), "--weights", file(weights), "--input",
                file("x.npy"), "--out", file("none")});
  };
  WeightFile weights = read_safetensors(folder_ / "w.safetensors");
  for (auto& [name, tensor] : weights.tensors) {
    if (name == "scores.bias") tensor = Tensor<float>(Shape{3});
  }
  write_safetensors(folder_ / "wrong.safetensors", weights);
  expect_mistake(forward("wrong.safetensors"), {"wrong.safetensors", "scores.bias"});
  std::erase_if(weights.tensors, [](const auto& t) { return t.first == "scores.bias"; });
  write_safetensors(folder_ / "partial.safetensors", weights);
  expect_mistake(forward("partial.safetensors"), {"partial.safetensors", "scores.bias"});
  const std::string bytes = read_file(folder_ / "w.safetensors");
  write_file(folder_ / "cut.safetensors", bytes.substr(0, bytes.size() / 2));
  expect_mistake(forward("cut.safetensors"), {"cut.safetensors"});
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(NetCommands, PredictNamesTheClassesOfATrainedModel) {
  const ToyRun toy(60);
  ASSERT_EQ(run_command(toy.path(), toy.train("run")).code, 0);
  Image light{.height = 16, .width = 20};
  light.pixels.assign(std::size_t{20} * 16 * 3, 230);
  write_file(folder_ / "light.png", encode_png(light));
  const std::string model = toy.file("run/fold0/iter_60.safetensors");
  const Json json = json_of(run({"predict", "--model", model, file("light.png"), "--json"}));
  EXPECT_EQ(json["images"][0]["classes"][0]["class"], "f");  // the toy's women are bright
  EXPECT_GT(json["images"][0]["classes"][0]["probability"], 0.5);
  expect_mistake(run({"predict", "--model", model, file("none.png")}), {"none.png"});
  write_file(folder_ / "broken.png", "no picture");
  expect_mistake(run({"predict", "--model", model, file("broken.png")}), {"broken.png"});
}

// Forward, backward, dropout and update: the losses of a run agree between devices.
TEST_F(NetCommands, TrainingGivesTheSameLossesOnEveryDevice) {
  const ToyRun toy(9);
  const auto losses = [&](const std::string& device) {
    const CommandResult trained =
        run_command(toy.path(), toy.train(device, {"--device", device, "--quiet"}));
    EXPECT_EQ(trained.code, 0) << trained.err;
    std::istringstream lines(read_file(toy / device / "fold0/log.jsonl"));
    std::vector<double> values;
    std::string line;
    std::getline(lines, line);  // the description
    while (std::getline(lines, line)) values.push_back(Json::parse(line)["loss"]);
    return values;
  };
  const std::vector<double> expected = losses("reference");
  ASSERT_EQ(expected.size(), 3U);
  const Json devices = json_of(run({"devices", "--json"}));
  for (const Json& device : devices["devices"]) {
    if (device["name"] == "reference") continue;
    const std::vector<double> actual = losses(device["name"].get<std::string>());
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i)
      EXPECT_NEAR(actual[i], expected[i], 1e-5 * expected[i]) << device["name"];
  }
}

TEST_F(NetCommands, BenchHasTheFieldsOfTheContract) {
  for (const char* mode : {"forward", "train"}) {
    const Json json = json_of(
        run({"bench", "net", file("toy.json"), "--mode", mode, "--seconds", "0.05", "--json"}));
    const double low = json["images_per_s_min"], median = json["images_per_s"],
                 high = json["images_per_s_max"];
    EXPECT_GT(low, 0);
    EXPECT_LE(low, median);
    EXPECT_LE(median, high);
    EXPECT_GT(json["peak_bytes"], 0);
    EXPECT_GT(json["peak_gflop_per_s"], 0);
  }
}

TEST_F(NetCommands, DevicesNamesTheOnesThatWorkAndWhyTheOthersDoNot) {
  const Json json = json_of(run({"devices", "--json"}));
  EXPECT_EQ(json["devices"].size() + json["absent"].size(), std::size(kAllDevices));
  const std::string listing = run({"devices"}).out;
  for (const Json& device : json["absent"]) {
    const auto name = device["name"].get<std::string>(),
               reason = device["reason"].get<std::string>();
    EXPECT_NE(listing.find(reason), std::string::npos) << listing;
    expect_mistake(run({"net", "show", file("toy.json"), "--device", name}), {reason});
  }
  // NCCL is there, or the reason why not is.
  const auto version = json["nccl"]["version"].get<std::string>(),
             missing = json["nccl"]["reason"].get<std::string>();
  EXPECT_NE(version.empty(), missing.empty());
  EXPECT_NE(listing.find(version.empty() ? missing : version), std::string::npos) << listing;
  for (const Json& device : json["devices"]) {
    const CommandResult shown =
        run({"net", "show", file("toy.json"), "--device", device["name"].get<std::string>()});
    EXPECT_EQ(shown.code, 0) << shown.err;
  }
  expect_mistake(run({"net", "show", file("toy.json"), "--device", "gpu"}), {"gpu", "cpu"});
}

TEST_F(NetCommands, AWrongCommandLineIsTwo) {
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"nett"}).code, 2);
  EXPECT_EQ(run({"net", "show"}).code, 2);
  EXPECT_EQ(run({"net", "show", "caffenet", "--phase", "test"}).code, 2);
  EXPECT_EQ(run({"net", "show", "caffenet", "--no-such"}).code, 2);
}

TEST_F(NetCommands, HelpFitsAScreen) {
  const CommandResult help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_LE(std::ranges::count(help.out, '\n'), 45);
}

}  // namespace
}  // namespace fovea
