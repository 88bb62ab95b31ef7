// `fovea relevance --lrp-toolbox-config CONFIG LIST ROOT`: config files of the LRP Toolbox's Caffe
// demonstrator, run as they are.
//
// A config has a key on one line and its value on the next; other lines with more than one word are
// remarks. LIST has a line per image: its path under ROOT and a class (-1: the highest score, -2:
// the five highest together). Beside standalone_outpath/<path from standalone_rootpath on> appear
// _rawhm.txt (3, then rows and columns, then a line per row: red, green, blue planes),
// _heatmap.png, _as_inputted_into_the_dnn.png and _top10scores.txt.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace fovea::apps {

struct ToolboxArguments {
  std::string config;
  // The original stores the mean image by rows and reads it by columns, and reads it from its first
  // row or column where the photograph is smaller than the net's window.
  bool transposed_mean = false;
};

void add_toolbox_options(CLI::App& app, ToolboxArguments& a);

// `operands`: LIST and ROOT.
void run_toolbox_config(const ToolboxArguments& a, const std::vector<std::string>& operands,
                        bool group_bias);

}  // namespace fovea::apps
