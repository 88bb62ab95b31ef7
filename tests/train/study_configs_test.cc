// The 38 configs of the study against its own solver and net files, and the schema of configs.
#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/train/config.h"
#include "tests/data/sample_store.h"
#include "tests/support/command.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(FOVEA_SOURCE_DIR) / "configs";
const fs::path kStudy = fs::path(FOVEA_ORACLE).parent_path() / "study" / "model_definitions";

std::vector<std::string> models_of_the_study() {
  std::vector<std::string> names;
  for (const char* target : {"age_", "gender_"}) {
    for (const char* model :
         {"net_definitions", "fromscratch_caffereference", "finetuning_caffereference",
          "fromscratch_googlenet", "finetuning_googlenet"}) {
      for (const char* alignment : {"", "_unaligned", "_mixed"})
        names.push_back(str(target, model, alignment));
    }
    for (const char* model : {"finetuning_vgg16", "imdbwiki_vgg16"}) {
      for (const char* alignment : {"", "_mixed"}) names.push_back(str(target, model, alignment));
    }
  }
  return names;
}

// The training data layer of a net file, in either syntax.
const ProtoMessage& data_layer(const ProtoMessage& net) {
  for (const char* syntax : {"layer", "layers"}) {
    for (const ProtoField* layer : net.all(syntax)) {
      if (layer->message[0].find("transform_param")) return layer->message[0];
    }
  }
  throw Error("no data layer");
}

class StudyConfig : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] fs::path file() const { return kConfigs / (GetParam() + ".json"); }
  [[nodiscard]] TrainConfig config() const { return load_config(file()); }
  [[nodiscard]] bool is(const std::string& part) const {
    return GetParam().find(part) != std::string::npos;
  }
};

TEST_P(StudyConfig, TrainsAsLongAsTheStudyScores) {
  const std::int64_t once = is("googlenet") ? 170000 : is("vgg16") ? 125000 : 50000;
  const TrainConfig c = config();
  EXPECT_EQ(c.solver.max_iter, is("_mixed") ? 2 * once : once);
  EXPECT_EQ(c.alignment, is("_mixed") ? "mixed" : is("_unaligned") ? "unaligned" : "aligned");
  EXPECT_EQ(c.target, GetParam().substr(0, GetParam().find('_')));
  EXPECT_EQ(c.weights.empty(), is("fromscratch") || is("net_definitions"));
}

TEST_P(StudyConfig, HasTheStudysSolver) {
  if (!fs::exists(kStudy)) GTEST_SKIP() << "the study's files are not here";
  const fs::path path = kStudy / GetParam() / "solver_test_fold_is_0.prototxt";
  SolverParams theirs = caffe_solver(parse_prototxt(read_file(path), path.string()));
  theirs.power = SolverParams{}.power;  // the step policy has none
  const TrainConfig early = load_config(file(), {"variant=early"});
  SolverParams ours = early.solver;
  EXPECT_EQ(write_json(ours), write_json(theirs));  // the files hold the early-phase run
  ours = config().solver;
  ours.max_iter = theirs.max_iter, ours.snapshot = theirs.snapshot;
  EXPECT_EQ(write_json(ours), write_json(theirs));
}

TEST_P(StudyConfig, HasTheStudysNetAndData) {
  if (!fs::exists(kStudy)) GTEST_SKIP() << "the study's files are not here";
  const fs::path path = kStudy / GetParam() / "train_val_test_fold_is_0.prototxt";
  const TrainConfig c = config();
  const ProtoMessage net = parse_prototxt(read_file(path), path.string());
  const ProtoMessage& data = data_layer(net);
  EXPECT_EQ(c.data.batch, data.message("data_param").integer("batch_size", 0));
  EXPECT_EQ(c.data.crop, data.message("transform_param").integer("crop_size", 0));
  EXPECT_EQ(c.data.mirror, data.message("transform_param").boolean("mirror", false));

  const std::int64_t classes = c.target == "age" ? 8 : 2;
  const Graph ours = build_graph(configured_net(
      c, fs::path(FOVEA_SOURCE_DIR) / "nets" / (c.net + ".json"), Phase::kTrain, 1, classes));
  const Graph theirs = build_graph(load_net(path, {.phase = Phase::kTrain, .batch = 1}));
  ASSERT_EQ(ours.nodes.size(), theirs.nodes.size());
  for (std::size_t i = 0; i < ours.nodes.size(); ++i) {
    const Node &a = ours.nodes[i], &b = theirs.nodes[i];
    EXPECT_EQ(a.name, b.name);
    ASSERT_EQ(a.params.size(), b.params.size()) << a.name;
    for (std::size_t k = 0; k < a.params.size(); ++k) {
      EXPECT_EQ(a.params[k].shape, b.params[k].shape) << a.params[k].name;
      EXPECT_EQ(a.params[k].lr_mult, b.params[k].lr_mult) << a.params[k].name;
      EXPECT_EQ(a.params[k].decay_mult, b.params[k].decay_mult) << a.params[k].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StudyConfig, testing::ValuesIn(models_of_the_study()),
                         [](const auto& test) { return test.param; });

TEST(StudyConfigs, AreThe38ModelsOfTheStudy) {
  EXPECT_EQ(models_of_the_study().size(), 38U);
  if (!fs::exists(kStudy)) GTEST_SKIP() << "the study's files are not here";
  for (const std::string& model : models_of_the_study()) EXPECT_TRUE(fs::exists(kStudy / model));
}

TEST(ConfigCommand, ShowsTheResolvedForm) {
  const TemporaryFolder folder;
  const std::string file = (kConfigs / "gender_finetuning_vgg16_mixed.json").string();
  const CommandResult shown =
      run_command(folder.path(), {"config", "show", file, "--set", "data.batch=3"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const Json json = Json::parse(shown.out);
  EXPECT_EQ(json["solver"]["max_iter"], 250000);
  EXPECT_EQ(json["solver"]["stepsize"], 25000);
  EXPECT_EQ(json["data"]["batch"], 3);
  EXPECT_EQ(json["parameters"]["classifier"], "fc8-gender");
  EXPECT_FALSE(json.contains("extends"));
  write_file(folder / "resolved.json", shown.out);
  const CommandResult again =
      run_command(folder.path(), {"config", "show", (folder / "resolved.json").string()});
  EXPECT_EQ(again.out, shown.out);

  const CommandResult wrong =
      run_command(folder.path(), {"config", "show", file, "--set", "variant=erly"});
  expect_mistake(wrong, {"'erly', did you mean 'early'?"});
}

// Every key that a config may have, by path, from a resolved config or from a schema.
void collect_paths(const Json& json, const std::string& path, bool schema,
                   std::vector<std::string>& paths) {
  const Json& object = schema ? json.value("properties", Json::object()) : json;
  if (!object.is_object() || path == ".parameters") return;
  for (const auto& [key, value] : object.items()) {
    paths.push_back(path + "." + key);
    collect_paths(value, path + "." + key, schema, paths);
  }
}

TEST(ConfigCommand, SchemaHasEveryKeyOfTheResolvedForm) {
  const TemporaryFolder folder;
  const CommandResult result = run_command(folder.path(), {"config", "schema"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json schema = Json::parse(result.out);
  std::vector<std::string> allowed, written;
  collect_paths(schema, "", true, allowed);
  collect_paths(write_json(TrainConfig{}), "", false, written);
  const std::vector<std::string> shaping{".extends", ".variants", ".variant"};
  EXPECT_TRUE(std::equal(shaping.begin(), shaping.end(), allowed.begin()));
  allowed.erase(allowed.begin(), allowed.begin() + 3);
  EXPECT_EQ(allowed, written);
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["properties"]["solver"]["properties"]["policy"]["enum"][0], "fixed");
  EXPECT_EQ(schema["properties"]["solver"]["properties"]["momentum"]["default"], 0.9);
}

}  // namespace
}  // namespace fovea
