// Glasses, hats, bows and earrings.
#include "data/synth_parts.h"

namespace fovea::synth {

void draw_glasses(Scene& scene) {
  const Face& f = scene.face;
  if (f.glasses == Glasses::kNone) return;
  Canvas& canvas = scene.canvas;
  const float w = 0.21F, h = f.glasses == Glasses::kRound ? 0.195F : 0.155F, y = f.eye_y + 0.02F;
  for (const float side : {-1.0F, 1.0F}) {
    const float x = f.yaw + side * (f.eye_x + 0.01F);
    const Path lens = f.glasses == Glasses::kRound ? ellipse({x, y}, w - 0.01F, h)
                                                   : closed_curve({{x - w, y - 0.75F * h},
                                                                   {x - 0.6F * w, y - h},
                                                                   {x + 0.6F * w, y - h},
                                                                   {x + w, y - 0.75F * h},
                                                                   {x + 0.95F * w, y + 0.6F * h},
                                                                   {x + 0.5F * w, y + h},
                                                                   {x - 0.5F * w, y + h},
                                                                   {x - 0.95F * w, y + 0.6F * h}});
    const Coverage glass = canvas.coverage(lens);
    if (f.glasses == Glasses::kSun) {
      canvas.fill(glass, {0.08F, 0.08F, 0.10F}, 0.93F);
    } else {
      canvas.fill(glass, {0.86F, 0.93F, 1.0F}, 0.13F);
    }
    canvas.glow(glass, {x - 0.4F * w, y - 0.5F * h}, 0.5F * w, 0.5F * h, {1, 1, 1}, 0.35F);
    Line rim = lens;
    rim.push_back(lens.front());
    canvas.fill(stroke(rim, 0.03F), f.frame);
    canvas.fill(
        stroke({{x + side * w, y - 0.3F * h}, {side * (f.skull + 0.01F), y - 0.05F}}, 0.028F),
        f.frame);
  }
  const float bridge = f.eye_x + 0.01F - w;
  canvas.fill(stroke(curve({{f.yaw - bridge - 0.01F, y - 0.02F},
                            {f.yaw, y - 0.05F},
                            {f.yaw + bridge + 0.01F, y - 0.02F}}),
                     0.028F),
              f.frame);
}

void draw_hat(Scene& scene) {
  const Face& f = scene.face;
  if (f.hat == Hat::kNone) return;
  Canvas& canvas = scene.canvas;
  const float w = f.skull + 0.10F, edge = f.brow_y - 0.16F, top = f.crown - 0.16F;
  const Path dome =
      joined({curve({{-w, edge},
                     {-0.95F * w, edge - 0.28F},
                     {-0.55F * w, top + 0.06F},
                     {0, top},
                     {0.55F * w, top + 0.06F},
                     {0.95F * w, edge - 0.28F},
                     {w, edge}}),
              curve({{w, edge}, {0.4F * w, edge - 0.05F}, {-0.4F * w, edge - 0.05F}, {-w, edge}})});
  const Coverage area = canvas.coverage(dome);
  canvas.fill(area, f.hat_color);
  canvas.glow(area, {-0.2F, top + 0.2F}, 0.5F, 0.3F, mix(f.hat_color, {1, 1, 1}, 0.4F), 0.6F);
  const Color dark = f.hat_color * Color{0.72F, 0.72F, 0.74F};
  if (f.hat == Hat::kBeanie) {
    const Line upper = curve({{-w, edge - 0.13F},
                              {-0.4F * w, edge - 0.17F},
                              {0.4F * w, edge - 0.17F},
                              {w, edge - 0.13F}});
    const Line lower = curve({{w + 0.01F, edge + 0.02F},
                              {0.4F * w, edge - 0.03F},
                              {-0.4F * w, edge - 0.03F},
                              {-w - 0.01F, edge + 0.02F}});
    canvas.fill(joined({upper, lower}), dark);
    canvas.fill(ellipse({0, top - 0.03F}, 0.085F, 0.085F), dark);
  } else {
    const float x = 2 * f.yaw;
    canvas.fill(joined({curve({{x - 0.78F * w, edge - 0.03F},
                               {x, edge - 0.16F},
                               {x + 0.78F * w, edge - 0.03F}}),
                        curve({{x + 0.78F * w, edge - 0.03F},
                               {x + 0.5F * w, edge + 0.06F},
                               {x, edge + 0.085F},
                               {x - 0.5F * w, edge + 0.06F},
                               {x - 0.78F * w, edge - 0.03F}})}),
                dark);
  }
}

void draw_jewellery(Scene& scene) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  if (f.earrings) {
    for (const float side : {-1.0F, 1.0F}) {
      canvas.fill(
          ellipse({side * (f.cheek + 0.055F), f.eye_y + 0.08F + f.ear + 0.045F}, 0.042F, 0.055F),
          {0.95F, 0.79F, 0.33F});
    }
  }
  if (f.bow && f.hat == Hat::kNone) {
    const Point knot{f.parting * 0.34F, f.crown + 0.02F};
    for (const float side : {-1.0F, 1.0F}) {
      canvas.fill(closed_curve({knot, knot + Point{side * 0.17F, -0.12F},
                                knot + Point{side * 0.21F, 0}, knot + Point{side * 0.17F, 0.10F}}),
                  f.accent);
    }
    canvas.fill(ellipse(knot, 0.05F, 0.055F), f.accent * Color{0.75F, 0.7F, 0.75F});
  }
}

}  // namespace fovea::synth
