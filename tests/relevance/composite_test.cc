// Composites: which line a layer gets, presets, and what is wrong with a file.
#include <gtest/gtest.h>

#include <fstream>

#include "engine/core/file.h"
#include "engine/relevance/composite.h"
#include "engine/relevance/composite_files.h"
#include "tests/support/temporary_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const Node kConvolution{"conv3_1/3x3", ConvolutionParams{.outputs = 2}, {0}, {1}, {}};
const Node kInnerProduct{"fc6", InnerProductParams{.outputs = 2}, {0}, {1}, {}};

std::string error_of(const std::string& json) {
  const TemporaryFolder folder;
  const fs::path file = folder / "composite.json";
  std::ofstream(file) << json;
  try {
    (void)load_composite(file.string());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

LinearRuleName rule_of(const Composite& composite, const Node& node, const LayerPlace& place) {
  return composite.choice_for(node, place).rule;
}

TEST(Composite, GivesALayerTheFirstLineThatMatches) {
  Composite c;
  c.rules = {{.name = "conv?_*/3x3", .max_depth = 2, .rule = LinearRuleName::kFlat},
             {.last = true, .rule = LinearRuleName::kZPlus},
             {.type = "convolution", .min_depth = 5, .rule = LinearRuleName::kGamma},
             {.type = "convolution", .above = 7, .rule = LinearRuleName::kWSquare},
             {.first = true, .rule = LinearRuleName::kZBox},
             {.rule = LinearRuleName::kEpsilon}};
  using enum LinearRuleName;
  EXPECT_EQ(rule_of(c, kConvolution, {.index = 9, .depth = 2}), kFlat);
  EXPECT_EQ(rule_of(c, kInnerProduct, {.depth = 2, .last = true}), kZPlus);
  EXPECT_EQ(rule_of(c, kConvolution, {.index = 9, .depth = 5}), kGamma);
  EXPECT_EQ(rule_of(c, kConvolution, {.index = 9, .depth = 3}), kWSquare);
  EXPECT_EQ(rule_of(c, kConvolution, {.index = 7, .depth = 3, .first = true}), kZBox);
  EXPECT_EQ(rule_of(c, kConvolution, {.index = 7, .depth = 3}), kEpsilon);
  c.rules.pop_back();
  EXPECT_THROW((void)rule_of(c, kInnerProduct, {.depth = 3}), Error);
}

TEST(Composite, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(
      error_of(R"({"rules": [{"rule": "epsilon", "epsilom": 1}]})").find("did you mean 'epsilon'"),
      std::string::npos);
  EXPECT_NE(error_of(R"({"rulez": []})").find("did you mean 'rules'"), std::string::npos);
  EXPECT_NE(error_of(R"({"rules": [{"rule": "zplus"}]})").find("did you mean 'z_plus'"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"rules": [{"rule": "alpha_beta", "alpha": 2, "beta": 0.5}]})")
                .find("expected alpha - beta = 1"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"rules": [{"rule": "gamma", "gamma": -1}]})").find("rules[0]"),
            std::string::npos);
  EXPECT_EQ(error_of(R"({"rules": [{"rule": "alpha_beta", "alpha": 1.5, "beta": 0.5}]})"),
            "no error");
}

TEST(Composite, KnowsEveryPresetByName) {
  const std::vector<std::string> presets = composite_presets();
  EXPECT_EQ(presets.size(), composite_files().size() + 18);  // formula types of the LRP Toolbox
  for (const std::string& name : presets)
    EXPECT_NO_THROW((void)load_composite(name, {.flat_until = 3})) << name;
  for (const char* name : {"EpsilonPlus", "EpsilonPlusFlat", "EpsilonAlpha2Beta1",
                           "EpsilonAlpha2Beta1Flat", "EpsilonGammaBox", "ExcitationBackprop",
                           "GuidedBackprop", "Deconvnet", "lrp-0", "gradient-x-input"})
    EXPECT_NE(std::ranges::find(presets, name), presets.end()) << name;
  EXPECT_EQ(load_composite("z_plus").rules[0].rule, LinearRuleName::kZPlus);
  try {
    (void)load_composite("epsilonplus");
    FAIL() << "an unknown name was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'EpsilonPlus'"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("toolbox-100"), std::string::npos);
  }
}

TEST(Composite, TakesOverridesWhereItHasTheKey) {
  const Composite c = load_composite("EpsilonAlpha2Beta1",
                                     {.epsilon = 0.5F, .beta = 0.25F, .lrn = LrnRule::kIdentity});
  EXPECT_EQ(c.rules[0].beta, 0.25F);
  EXPECT_EQ(c.rules[1].epsilon, 0.5F);
  EXPECT_EQ(c.lrn, LrnRule::kIdentity);
  const Composite low = load_composite("toolbox-102", {.flat_until = 6});
  EXPECT_EQ(rule_of(low, kConvolution, {.index = 6}), LinearRuleName::kFlatToolbox);
  EXPECT_EQ(rule_of(low, kConvolution, {.index = 7}), LinearRuleName::kAlphaBeta);
}

}  // namespace
}  // namespace fovea
