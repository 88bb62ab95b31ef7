// Learning rates of single layers: multipliers by name pattern, and layers that stay as they are.
#pragma once

#include <string>
#include <vector>

#include "engine/graph/net_definition.h"

namespace fovea {

// `layers` is a shell pattern (*, ?, [...]) over names of layers ("inception_3*", '/' is a letter
// like any other) or of single parameters ("fc8.bias").
struct LayerRate {
  std::string layers;
  float lr_mult = 1, decay_mult = 1;  // times what the net says

  template <class Self, class V>
  static void visit(Self& r, V&& v) {
    v("layers", r.layers), v("lr_mult", r.lr_mult), v("decay_mult", r.decay_mult);
  }
};

// Changes the multipliers of `net`: every rate whose pattern fits multiplies, then what `freeze`
// fits gets 0: no update, and no gradient where nothing below it learns. Error with `where` when a
// pattern fits no learnable parameter.
void apply_layer_rates(NetDefinition& net, const std::vector<LayerRate>& rates,
                       const std::vector<std::string>& freeze, const std::string& where);

}  // namespace fovea
