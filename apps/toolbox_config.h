// The files that the LRP Toolbox's Caffe demonstrator reads: its config, its list of images, its
// mean.
#pragma once

#include <string>
#include <vector>

#include "engine/core/fields.h"
#include "engine/core/tensor.h"

namespace fovea::apps {

// Names and meanings are the demonstrator's; every key but the last is required.
struct ToolboxConfig {
  std::string param_file, model_file, mean_file, synsetfile, standalone_outpath,
      standalone_rootpath;
  int use_mean_file_asbinaryprotoblob = 1, lastlayerindex = -2, firstlayerindex = 0, numclasses = 0,
      baseimgsize = 0, relpropformulatype = 0,
      auxiliaryvariable_maxlayerindexforflatdistinconv = -1;
  float epsstab = 0, alphabeta_beta = 0;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("param_file", c.param_file), v("model_file", c.model_file), v("mean_file", c.mean_file),
        v("synsetfile", c.synsetfile),
        v("use_mean_file_asbinaryprotoblob", c.use_mean_file_asbinaryprotoblob),
        v("lastlayerindex", c.lastlayerindex), v("firstlayerindex", c.firstlayerindex),
        v("numclasses", c.numclasses), v("baseimgsize", c.baseimgsize),
        v("standalone_outpath", c.standalone_outpath),
        v("standalone_rootpath", c.standalone_rootpath), v("epsstab", c.epsstab),
        v("alphabeta_beta", c.alphabeta_beta), v("relpropformulatype", c.relpropformulatype),
        v("auxiliaryvariable_maxlayerindexforflatdistinconv",
          c.auxiliaryvariable_maxlayerindexforflatdistinconv);
  }
};

// A key is a word alone on a line, its value the first word of the next; other lines are comments.
// Error at unknown, repeated and missing keys and at values of the wrong type, with file and line.
[[nodiscard]] ToolboxConfig read_toolbox_config(const std::string& file);

struct ToolboxImage {
  std::string path;  // ROOT/path
  int kind = -1;     // the class to explain; -1: the best one, -2: the five best
};

// Lines "PATH CLASS"; Error with file and line at others.
[[nodiscard]] std::vector<ToolboxImage> read_toolbox_list(const std::string& file,
                                                          const std::string& root);

// (3, H, W), blue green red, from binaryproto or the demonstrator's text form.
[[nodiscard]] Tensor<float> read_toolbox_mean(const ToolboxConfig& config);

}  // namespace fovea::apps
