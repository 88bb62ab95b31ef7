// Caffe's solver files as training configs.
#include "engine/train/caffe_config.h"
#include "engine/core/json_fields.h"

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/train/config.h"
#include "tests/data/sample_store.h"
#include "tests/support/command.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(FOVEA_SOURCE_DIR) / "configs";
const fs::path kStudy = fs::path(FOVEA_ORACLE).parent_path() / "study" / "model_definitions";

CaffeSolver import_text(const std::string& text) {
  return import_caffe_solver(parse_prototxt(text, "s.prototxt"));
}

// The imported keys over Fovea's defaults.
SolverParams params_of(const std::string& text) {
  SolverParams params;
  read_json(import_text(text).solver, params, "solver");
  return params;
}

TEST(CaffeConfig, EverySolverOfTheStudyIsItsConfig) {
  if (!fs::exists(kStudy)) GTEST_SKIP() << "the study's files are not here";
  const TemporaryFolder folder;
  int models = 0;
  for (const auto& model : fs::directory_iterator(kStudy)) {
    const std::string name = model.path().filename().string();
    SCOPED_TRACE(name);
    const fs::path out = folder / (name + ".json");
    const CommandResult result =
        run_command(folder.path(),
                    {"import", "solver", (model.path() / "solver_test_fold_is_0.prototxt").string(),
                     "--out", out.string()});
    ASSERT_EQ(result.code, 0) << result.err;
    TrainConfig theirs = load_config(out);
    TrainConfig ours = load_config(kConfigs / (name + ".json"), {"variant=early"});
    ours.weights.clear();  // Caffe's are named on its command line
    // The study's file of this one reads the unaligned images (configs/README.md).
    if (name == "gender_finetuning_googlenet_mixed") theirs.alignment = "mixed";
    // The import leaves out what is the net file's own value.
    const Json own = read_json_file(fs::path(FOVEA_SOURCE_DIR) / "nets" / (ours.net + ".json"));
    ours.parameters = changes_from(ours.parameters, own["parameters"]);
    EXPECT_EQ(write_json(theirs), write_json(ours));
    ++models;
  }
  EXPECT_EQ(models, 38);
}

TEST(CaffeConfig, EverySolverOfTheReferenceIsReadAsTheSolverReadsIt) {
  const fs::path cases = fs::path(FOVEA_ORACLE) / "solver";
  if (!fs::exists(cases)) GTEST_SKIP() << "the reference numbers are not here";
  int count = 0;
  for (const auto& folder : fs::directory_iterator(cases)) {
    const fs::path file = folder.path() / "solver.prototxt";
    if (!fs::exists(file)) continue;
    SCOPED_TRACE(file);
    const std::string text = read_file(file);
    const SolverParams expected = caffe_solver(parse_prototxt(text, "s"));
    int a = 0, b = 0;
    const SolverParams imported = params_of(text);
    for (std::int64_t i = 0; i < 40; ++i)
      EXPECT_EQ(learning_rate(imported, i, a), learning_rate(expected, i, b)) << i;
    EXPECT_EQ(imported.momentum, expected.momentum);
    EXPECT_EQ(imported.weight_decay, expected.weight_decay);
    EXPECT_EQ(imported.regularization, expected.regularization);
    EXPECT_EQ(imported.iter_size, expected.iter_size);
    EXPECT_EQ(imported.clip_gradients, expected.clip_gradients);
    EXPECT_EQ(imported.max_iter, expected.max_iter);
    ++count;
  }
  EXPECT_EQ(count, 10);
}

TEST(CaffeConfig, EveryPolicyKeepsItsKeysAndNoOthers) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"fixed", {}},
      {"step", {"gamma", "stepsize"}},
      {"exp", {"gamma"}},
      {"inv", {"gamma", "power"}},
      {"multistep", {"gamma", "stepvalues"}},
      {"poly", {"power"}},
      {"sigmoid", {"gamma", "stepsize"}}};
  for (const auto& [policy, keys] : cases) {
    SCOPED_TRACE(policy);
    const std::string text =
        str("base_lr: 0.25 max_iter: 100 gamma: 0.5 power: 3 stepsize: 10 stepvalue: 20 "
            "stepvalue: 60 lr_policy: \"",
            policy, "\"");
    const Json solver = import_text(text).solver;
    for (const char* key : {"gamma", "power", "stepsize", "stepvalues"}) {
      const bool wanted =
          std::ranges::any_of(keys, [&](const char* k) { return std::string(k) == key; });
      EXPECT_EQ(solver.contains(key), wanted) << key;
    }
    const SolverParams imported = params_of(text), direct = caffe_solver(parse_prototxt(text, "s"));
    int a = 0, b = 0;
    for (std::int64_t i = 0; i < 100; ++i)
      EXPECT_EQ(learning_rate(imported, i, a), learning_rate(direct, i, b)) << i;
  }
}

// What a solver file leaves out has Caffe's value, not Fovea's.
TEST(CaffeConfig, KeepsTheDefaultsOfCaffe) {
  const SolverParams params = params_of("base_lr: 0.5 lr_policy: \"fixed\" max_iter: 3");
  EXPECT_EQ(params.momentum, 0);
  EXPECT_EQ(params.weight_decay, 0);
  EXPECT_EQ(params.snapshot, 0);
}

TEST(CaffeConfig, NamesWhatItDoesNotUseAndTheSeed) {
  const CaffeSolver solver = import_text(
      "test_iter: 5\ntest_iter: 6\nsolver_mode: GPU\nrandom_seed: 11\nnet: \"n.prototxt\"");
  EXPECT_EQ(solver.unused, (std::vector<std::string>{"test_iter", "solver_mode"}));
  EXPECT_EQ(solver.seed, 11U);
  EXPECT_EQ(solver.net, "n.prototxt");
  EXPECT_EQ(solver.where, "s.prototxt:5");
  EXPECT_FALSE(import_text("random_seed: -1").seed);
}

TEST(CaffeConfig, MistakesNameTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"base_lr: 1\nmomentun: 0.9",
       "s.prototxt:2: 'momentun', expected one of a Caffe solver that "
       "has a meaning here, did you mean 'momentum'?"},
      {"net_param { name: \"inline\" }", "s.prototxt:1: 'net_param'"},
      {"base_lr { }", "s.prototxt:1: base_lr: a message, expected one value"},
      {"type: \"Adam\"", "Adam, expected SGD"},
      {"lr_policy: \"steps\"", "steps"},
      {"base_lr: fast", "s.prototxt:1: base_lr: fast, expected a number"},
      {"lr_policy: \"step\" gamma: 0.1", "stepsize, expected with lr_policy step"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string message = message_of([&, t = text] { (void)import_text(t); });
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  }
}

TEST(CaffeConfig, WordsOfADatabasesPath) {
  const auto words = [](const char* source) {
    const SourceWords w = words_of_source(source);
    return w.target + "/" + w.alignment;
  };
  EXPECT_EQ(words("lmdb_mixed/Test_fold_is_0/gender_train_lmdb"), "gender/mixed");
  EXPECT_EQ(words("/data/Unaligned/age"), "age/unaligned");
  EXPECT_EQ(words("images_lmdb"), "/");  // not "age"
}

constexpr const char* kNet = R"(
name: "Small net"
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { crop_size: 10 scale: 0.5 }
  data_param { source: "lmdb/gender" batch_size: 6 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
)";

class ImportSolver : public testing::Test {
 protected:
  ImportSolver() {
    write_file(folder_ / "net.prototxt", kNet);
    write_file(folder_ / "solver.prototxt",
               "net: \"net.prototxt\"\nbase_lr: 0.01\nlr_policy: \"fixed\"\nmax_iter: 5\n"
               "test_interval: 3\n");
  }
  CommandResult run(std::vector<std::string> more = {},
                    const std::string& solver = "solver.prototxt") {
    std::vector<std::string> all{"import", "solver", (folder_ / solver).string(), "--out",
                                 (folder_ / "c.json").string()};
    all.insert(all.end(), more.begin(), more.end());
    return run_command(folder_.path(), all);
  }
  TemporaryFolder folder_;
};

TEST_F(ImportSolver, WritesAnotherNetBesideTheConfig) {
  const CommandResult result = run();
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("not used: test_interval"), std::string::npos) << result.err;
  const TrainConfig config = load_config(folder_ / "c.json");
  EXPECT_EQ(config.net, (folder_ / "Small_net.json").string());
  EXPECT_EQ(config.target, "gender");
  EXPECT_EQ(config.data.batch, 6);
  EXPECT_EQ(config.data.crop, 10);
  EXPECT_EQ(config.data.scale, 0.5F);
  EXPECT_FALSE(config.data.mirror);
  // It trains with the classes of the store.
  const Graph graph = build_graph(configured_net(config, config.net, Phase::kTrain, 6, 8));
  EXPECT_EQ(graph.nodes[static_cast<std::size_t>(graph.find_node("fc"))].params[0].shape,
            (Shape{8, 300}));

  expect_mistake(run(), {"c.json", "--force"});
  EXPECT_EQ(run({"--force", "--target", "age", "--alignment", "mixed", "--weights", "w"}).code, 0);
  const TrainConfig again = load_config(folder_ / "c.json");
  EXPECT_EQ(again.target, "age");
  EXPECT_EQ(again.alignment, "mixed");
  EXPECT_EQ(again.weights, "w");
}

// From Caffe's two files to a trained, tested model.
TEST_F(ImportSolver, TheConfigTrains) {
  write_toy_store(folder_ / "toy.fovea");
  ASSERT_EQ(run().code, 0);
  const std::string config = (folder_ / "c.json").string(),
                    store = (folder_ / "toy.fovea").string(), runs = (folder_ / "run").string();
  const CommandResult trained = run_command(
      folder_.path(),
      {"train", config, "--data", store, "--out", runs, "--set", "solver.snapshot=5", "--quiet"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const CommandResult tested = run_command(
      folder_.path(),
      {"eval", config, "--data", store, "--fold", "0", "--weights", runs, "--json", "--quiet"});
  ASSERT_EQ(tested.code, 0) << tested.err;
  EXPECT_EQ(Json::parse(tested.out)["folds"][0]["count"], 12);
}

TEST_F(ImportSolver, MistakesLeaveNothing) {
  write_file(folder_ / "wrong.prototxt", "net: \"net.prototxt\"\nbase_lr: 1\nfoo: 3\n");
  expect_mistake(run({}, "wrong.prototxt"), {"wrong.prototxt:3", "'foo'"});
  write_file(folder_ / "endless.prototxt", "net: \"net.prototxt\"\nbase_lr: 1\n");
  expect_mistake(run({}, "endless.prototxt"), {"max_iter: 0"});
  write_file(folder_ / "lost.prototxt", "\nnet: \"none.prototxt\"\nmax_iter: 1\n");
  expect_mistake(run({}, "lost.prototxt"), {"lost.prototxt:2", "none.prototxt", "--net"});
  write_file(folder_ / "bare.prototxt", "max_iter: 1\n");
  expect_mistake(run({}, "bare.prototxt"), {"no net", "bare.prototxt", "--net"});
  std::string open = kNet;
  open.erase(open.find("crop_size: 10"), 13);
  write_file(folder_ / "open.prototxt", open);
  const std::vector<std::string> other{"--net", (folder_ / "open.prototxt").string()};
  expect_mistake(run(other), {"open.prototxt:3", "crop_size", "--crop"});
  EXPECT_FALSE(fs::exists(folder_ / "c.json"));
  EXPECT_FALSE(fs::exists(folder_ / "Small_net.json"));
}

}  // namespace
}  // namespace fovea
