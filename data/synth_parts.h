// The parts of a synthetic face, each drawn over what is there already. Internal to synth_*.cc.
#pragma once

#include "data/canvas.h"
#include "data/synth_traits.h"

namespace fovea::synth {

struct Scene {
  Canvas& canvas;
  const Face& face;
  Coverage head;  // inside the head's outline
};

[[nodiscard]] Path head_outline(const Face& face);
// The marks' own uniform draws in [0, 1): the same for a person whatever the labels.
[[nodiscard]] float mark_draw(const Face& face, std::uint64_t index);

// synth_hair.cc
[[nodiscard]] Color darker_hair(Color color);
[[nodiscard]] Color lighter_hair(Color color);
Coverage fill_hair(Scene& scene, const Path& path, Color color);
// `count` strands inside `area` beside the line from `from` to `to`, spread over `spread`, bent by
// `sag` in the middle.
void draw_strands(Scene& scene, const Coverage& area, Point from, Point to, Point sag, int count,
                  float spread);
void draw_back_hair(Scene& scene);

void draw_front_hair(Scene& scene);  // synth_front_hair.cc
void draw_beard(Scene& scene);       // synth_beard.cc

// synth_features.cc
void draw_skin_marks(Scene& scene);
void draw_eyes(Scene& scene);
void draw_brows(Scene& scene);
void draw_nose(Scene& scene);
void draw_mouth(Scene& scene);

// synth_extras.cc
void draw_glasses(Scene& scene);
void draw_hat(Scene& scene);
void draw_jewellery(Scene& scene);

}  // namespace fovea::synth
