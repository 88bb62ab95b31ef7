// A Caffe net file in all its phases, and what its data layer says.
#pragma once

#include <string>
#include <vector>

#include "engine/graph/net_writer.h"
#include "engine/graph/prototxt.h"

namespace fovea {

// The data layer of the training phase.
struct CaffeData {
  bool present = false;
  std::string where;       // "FILE:line"
  std::string source;      // the database's path
  std::int64_t batch = 0;  // 0: not given
  std::int64_t crop = 0;   // 0: not given
  bool mirror = false;
  float scale = 1;
  std::vector<float> mean_values;  // none, one for all channels, or one a channel
};

[[nodiscard]] CaffeData caffe_data(const ProtoMessage& net);

// Images of a training batch, as the data layer or the file's input says.
[[nodiscard]] std::int64_t caffe_batch(const ProtoMessage& net, const std::string& file);

// Phases of a train_val or deploy file, for one image. A file that takes labels says nothing of
// deployment: its deploy phase is the test phase without what needs the labels, and with a softmax
// "prob" behind what the last loss read, if nothing else there is a softmax of it. Without labels
// all phases are what caffe_net gives for kTrain, kTest and kDeploy. `input` (channels, rows,
// columns), if not empty, takes the place of the file's size; needed where the data layer has no
// crop_size. All unknown layer types, of any phase, are listed in one Error.
[[nodiscard]] NetPhases import_caffe_net(const ProtoMessage& net, const std::string& file,
                                         const std::vector<std::int64_t>& input = {});

}  // namespace fovea
