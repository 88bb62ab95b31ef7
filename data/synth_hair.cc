// What is common to all hair, and the hair behind the head.
#include <algorithm>

#include "data/synth_parts.h"

namespace fovea::synth {

Color darker_hair(Color c) { return c * Color{0.66F, 0.64F, 0.66F}; }
Color lighter_hair(Color c) { return mix(c, {1.0F, 0.95F, 0.88F}, 0.28F); }

Coverage fill_hair(Scene& scene, const Path& path, Color color) {
  const Coverage area = scene.canvas.coverage(path);
  scene.canvas.fill(area, color);
  return area;
}

void draw_strands(Scene& scene, const Coverage& area, Point from, Point to, Point sag, int count,
                  float spread) {
  const Face& f = scene.face;
  for (int i = 0; i < count; ++i) {
    const float t = (static_cast<float>(i) + 0.5F) / static_cast<float>(count) - 0.5F;
    const float jitter = 0.5F + mark_draw(f, 700 + static_cast<std::uint64_t>(i));
    const Point offset{spread * t, 0.04F * (jitter - 1)};
    const Line line =
        curve({from + offset, between(from, to, 0.5F) + offset + sag, to + 1.4F * offset});
    const Coverage strand = scene.canvas.coverage(stroke(line, 0.008F, 0.02F, 0.008F));
    scene.canvas.fill(intersection(strand, area),
                      i % 2 ? darker_hair(f.hair) : lighter_hair(f.hair), 0.45F);
  }
}

namespace {

// Hangs behind head and shoulders, half width `top` at the skull and `bottom` at height `end`.
Path hanging(const Face& f, float top, float bottom, float end, float wave) {
  const float crown = f.crown - f.hair_volume;
  Line right{{0, crown}, {0.62F * top, crown + 0.10F}, {0.95F * top, crown + 0.38F}};
  constexpr int kSteps = 8;
  for (int i = 1; i <= kSteps; ++i) {
    const float t = static_cast<float>(i) / kSteps;
    const float y = crown + 0.5F + t * (end - crown - 0.5F);
    right.push_back({top + t * (bottom - top) + (i % 2 ? wave : -wave), y});
  }
  Line outline = curve(right);
  Line left = outline;
  std::reverse(left.begin(), left.end());
  for (Point& p : left) p.x = -p.x;
  const Line hem = curve(
      {outline.back(), {0.3F * bottom, end + 0.05F}, {-0.3F * bottom, end + 0.05F}, left.front()});
  return joined({outline, hem, left});
}

void draw_pigtails(Scene& scene) {
  const Face& f = scene.face;
  for (const float side : {-1.0F, 1.0F}) {
    const Point knot{side * (f.skull + 0.06F), f.eye_y - 0.06F};
    const Path tail =
        closed_curve({knot + Point{0, -0.06F}, knot + Point{side * 0.22F, -0.02F},
                      knot + Point{side * 0.33F, 0.26F}, knot + Point{side * 0.22F, 0.62F},
                      knot + Point{side * 0.10F, 0.40F}, knot + Point{side * 0.02F, 0.10F}});
    const Coverage area = fill_hair(scene, tail, f.hair);
    draw_strands(scene, area, knot, knot + Point{side * 0.2F, 0.55F}, {side * 0.08F, 0}, 5, 0.16F);
    scene.canvas.fill(ellipse(knot + Point{side * 0.04F, 0.0F}, 0.055F, 0.075F), f.accent);
  }
}

}  // namespace

void draw_back_hair(Scene& scene) {
  const Face& f = scene.face;
  const Color back = mix(f.hair, darker_hair(f.hair), 0.55F);
  const float width = f.skull + f.hair_volume;
  switch (f.back) {
    case BackHair::kNone:
      break;
    case BackHair::kBob:
      fill_hair(scene, hanging(f, width + 0.06F, width + 0.10F, f.mouth_y + 0.2F, 0), back);
      break;
    case BackHair::kLong:
      fill_hair(scene, hanging(f, width + 0.03F, width + 0.10F, 1.5F, 0), back);
      break;
    case BackHair::kWavy:
      fill_hair(scene, hanging(f, width + 0.06F, width + 0.17F, 1.5F, 0.045F), back);
      break;
    case BackHair::kPigtails:
      draw_pigtails(scene);
      break;
    case BackHair::kBun: {
      const Coverage bun = fill_hair(scene, ellipse({0, f.crown - 0.13F}, 0.22F, 0.19F), f.hair);
      scene.canvas.glow(bun, {-0.06F, f.crown - 0.2F}, 0.16F, 0.1F, lighter_hair(f.hair), 0.7F);
      break;
    }
    case BackHair::kPonytail: {
      const float s = -f.parting;
      fill_hair(scene,
                closed_curve({{s * 0.2F, f.crown - 0.08F},
                              {s * (width + 0.12F), f.crown + 0.3F},
                              {s * (width + 0.2F), f.eye_y + 0.3F},
                              {s * (width + 0.02F), f.chin + 0.1F},
                              {s * (width - 0.1F), f.eye_y}}),
                back);
      break;
    }
  }
}

}  // namespace fovea::synth
