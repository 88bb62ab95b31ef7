// JSON nets, down to the shapes of their graphs in every phase, and training configs.
#include "engine/core/json_fields.h"
#include "engine/graph/graph.h"
#include "engine/graph/net_json.h"
#include "engine/train/config.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ([](std::string_view text) {
  const bool config = text.starts_with("C");
  const fovea::Json json = fovea::Json::parse(config ? text.substr(1) : text, nullptr, false);
  if (json.is_discarded()) return;
  if (config) {
    fovea::TrainConfig read;
    fovea::read_json(json, read, "fuzz");
    (void)fovea::write_json(read);
    return;
  }
  for (const fovea::Phase phase :
       {fovea::Phase::kTrain, fovea::Phase::kTest, fovea::Phase::kDeploy}) {
    try {
      (void)fovea::build_graph(fovea::json_net(json, {.phase = phase, .batch = 2}, "fuzz"));
    } catch (const fovea::Error&) {  // the next phase may have other layers
    }
  }
})
