// Skin, eyes, brows, nose and mouth.
#include <algorithm>
#include <cmath>

#include "data/synth_parts.h"

namespace fovea::synth {
namespace {

constexpr Color kInk{0.16F, 0.10F, 0.09F};
constexpr Color kEyeWhite{0.97F, 0.96F, 0.95F};

void draw_wrinkle(Scene& scene, const Line& line, float width, float strength) {
  if (strength < 0.02F) return;
  const Color dark = scene.face.skin * Color{0.60F, 0.47F, 0.43F};
  const Path path = stroke(line, 0.3F * width, width, 0.3F * width);
  scene.canvas.fill(path, dark, std::min(1.0F, strength));
}

void draw_forehead_lines(Scene& scene) {
  const Face& f = scene.face;
  // One line per third of the strength, the next one growing in.
  constexpr int kLines = 3;
  const float lowest = f.brow_y - 0.075F, step = 0.085F;
  for (int i = 0; i < kLines; ++i) {
    const float strength =
        std::clamp(f.forehead_lines * kLines - static_cast<float>(i), 0.0F, 1.0F);
    const float y = lowest - step * static_cast<float>(i),
                half = 0.30F - 0.03F * static_cast<float>(i);
    draw_wrinkle(scene,
                 curve({{f.yaw - half, y + 0.012F},
                        {f.yaw - 0.5F * half, y - 0.014F},
                        {f.yaw, y + 0.006F},
                        {f.yaw + 0.5F * half, y - 0.014F},
                        {f.yaw + half, y + 0.012F}}),
                 0.026F, 0.8F * strength);
  }
}

void draw_side_wrinkles(Scene& scene, float side) {
  const Face& f = scene.face;
  const float eye = f.yaw + side * f.eye_x;
  for (int i = 0; i < 3; ++i) {  // crow's feet
    const float slope = 0.055F * static_cast<float>(i - 1);
    const float strength = std::clamp(3 * f.crow_feet - 0.7F * static_cast<float>(i), 0.0F, 1.0F);
    const Point from{eye + side * (f.eye_width + 0.025F), f.eye_y + 0.4F * slope};
    draw_wrinkle(scene, {from, from + Point{side * 0.10F, slope}}, 0.02F, 0.75F * strength);
  }
  const float bag_y = f.eye_y + f.eye_height;
  draw_wrinkle(scene,
               curve({{eye - 0.75F * f.eye_width, bag_y + 0.02F},
                      {eye, bag_y + 0.065F},
                      {eye + 0.8F * f.eye_width, bag_y + 0.015F}}),
               0.026F, 0.75F * f.eye_bags);
  const float length = f.mouth_folds * (f.mouth_y - f.nose_y) * 1.15F;
  const float start_x = f.nose_width + 0.03F;
  draw_wrinkle(scene,
               curve({{f.yaw + side * start_x, f.nose_y - 0.035F},
                      {f.yaw + side * (start_x + 0.09F), f.nose_y - 0.035F + 0.5F * length},
                      {f.yaw + side * (start_x + 0.11F), f.nose_y - 0.035F + length}}),
               0.028F, 0.25F + 0.6F * f.mouth_folds - (f.mouth_folds < 0.05F ? 1.0F : 0.0F));
  draw_wrinkle(scene,
               curve({{side * (f.mouth_width + 0.05F), f.mouth_y + 0.06F},
                      {side * (f.mouth_width + 0.075F), f.mouth_y + 0.15F},
                      {side * (f.mouth_width + 0.02F), f.mouth_y + 0.23F}}),
               0.028F, 0.8F * f.jowls);
}

// Small round marks scattered over the front of the face by the person's own draws.
void draw_dots(Scene& scene, int count, std::uint64_t stream, float radius, float top, float bottom,
               Color color, float alpha) {
  const Face& f = scene.face;
  for (int i = 0; i < count; ++i) {
    const auto index = stream + 3 * static_cast<std::uint64_t>(i);
    const float x = f.yaw + (2 * mark_draw(f, index) - 1) * 0.82F * f.cheek;
    const float y = top + mark_draw(f, index + 1) * (bottom - top);
    const float size = radius * (0.6F + 0.8F * mark_draw(f, index + 2));
    const Coverage dot = scene.canvas.coverage(ellipse({x, y}, size, size));
    scene.canvas.fill(intersection(dot, scene.head), color, alpha);
  }
}

void draw_eye(Scene& scene, float side) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  const Point c{f.yaw + side * f.eye_x, f.eye_y};
  const float w = f.eye_width, h = f.eye_height, droop = 0.35F * f.lid_droop * h;
  const auto at = [&](float x, float y) { return Point{c.x + side * w * x, c.y + h * y}; };
  canvas.glow(scene.head, c, 1.6F * w, 1.2F * w, f.skin_shadow, 0.4F);
  if (f.eye_shadow > 0) {
    canvas.glow(scene.head, {c.x, c.y - 0.7F * h}, 1.5F * w, 0.9F * h + 0.05F,
                {0.50F, 0.32F, 0.52F}, f.eye_shadow);
  }
  const Line upper = curve({at(-1, 0.25F),
                            at(-0.6F, -0.62F),
                            at(0, -1.0F),
                            at(0.6F, -0.70F),
                            {at(1, 0).x, at(1, 0).y + 0.5F * droop}});
  const Line lower = curve({{at(1, 0).x, at(1, 0).y + 0.5F * droop},
                            at(0.55F, 0.72F),
                            at(0, 0.95F),
                            at(-0.6F, 0.75F),
                            at(-1, 0.25F)});
  const Coverage open = canvas.coverage(joined({upper, lower}));
  canvas.fill(open, kEyeWhite);
  const float r = std::min(0.92F * h, 0.62F * w);
  const Point pupil{c.x + f.gaze * 0.35F * w, c.y - 0.04F * h};
  canvas.fill(intersection(canvas.coverage(ellipse(pupil, r, r)), open),
              f.iris * Color{0.6F, 0.6F, 0.6F});
  canvas.fill(intersection(canvas.coverage(ellipse(pupil, 0.84F * r, 0.84F * r)), open), f.iris);
  canvas.fill(intersection(canvas.coverage(ellipse(pupil, 0.48F * r, 0.48F * r)), open),
              {0.05F, 0.04F, 0.05F});
  canvas.fill(ellipse({pupil.x + 0.32F * r, pupil.y - 0.36F * r}, 0.2F * r, 0.2F * r), {1, 1, 1},
              0.95F);
  canvas.glow(open, {c.x, c.y - h}, 1.2F * w, 0.8F * h, {0.35F, 0.3F, 0.35F}, 0.5F);
  const float lid = 0.022F + 0.026F * f.lashes;
  canvas.fill(stroke(upper, 0.5F * lid, lid, 1.1F * lid), kInk, 0.95F);
  canvas.fill(stroke(lower, 0.012F), mix(f.skin_shadow, kInk, 0.3F), 0.7F);
  if (f.lashes > 0) {
    for (int i = 0; i < 3; ++i) {
      const float t = 0.42F + 0.27F * static_cast<float>(i);
      const Point root = at(t, -1.0F + 0.8F * (t * t));
      const float reach = 0.055F * f.lashes + 0.02F;
      canvas.fill(stroke({root, root + Point{side * reach * (0.4F + t), -reach}}, lid, 0.7F * lid,
                         0.2F * lid),
                  kInk);
    }
  }
  // The fold of the upper lid, sinking with age.
  draw_wrinkle(scene,
               curve({at(-0.85F, -0.75F), at(0, -1.42F + 0.25F * f.lid_droop),
                      at(1.15F, -0.35F + 0.4F * f.lid_droop)}),
               0.018F + 0.016F * f.lid_droop, 0.35F + 0.4F * f.lid_droop);
}

}  // namespace

void draw_skin_marks(Scene& scene) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  for (const float side : {-1.0F, 1.0F}) {
    canvas.glow(scene.head, {f.yaw + side * 0.62F * f.cheek, f.nose_y + 0.06F}, 0.27F, 0.22F,
                mix(f.skin, {0.93F, 0.36F, 0.36F}, 0.75F), 0.8F * f.blush);
    // Hollow cheeks come after the baby fat.
    canvas.glow(scene.head, {f.yaw + side * 0.98F * f.cheek, f.nose_y + 0.25F}, 0.28F, 0.42F,
                f.skin_shadow, 0.55F * (1 - f.blush));
  }
  if (f.freckles > 0) {
    draw_dots(scene, 26, 0, 0.014F, f.eye_y + 0.12F, f.nose_y + 0.14F,
              f.skin * Color{0.72F, 0.52F, 0.4F}, 0.7F);
  }
  const int blemishes = static_cast<int>(11 * f.blemishes);
  draw_dots(scene, blemishes, 300, 0.027F, f.eye_y + 0.22F, f.chin - 0.12F,
            mix(f.skin, {0.82F, 0.22F, 0.2F}, 0.7F), 0.85F);
  draw_dots(scene, blemishes / 2, 400, 0.024F, f.brow_y - 0.28F, f.brow_y - 0.06F,
            mix(f.skin, {0.82F, 0.22F, 0.2F}, 0.7F), 0.8F);
  const int spots = static_cast<int>(9 * f.age_spots);
  draw_dots(scene, spots, 500, 0.034F, f.crown + 0.1F, f.nose_y + 0.2F,
            f.skin * Color{0.74F, 0.60F, 0.50F}, 0.65F);
  draw_forehead_lines(scene);
  for (const float side : {-1.0F, 1.0F}) draw_side_wrinkles(scene, side);
}

void draw_eyes(Scene& scene) {
  for (const float side : {-1.0F, 1.0F}) draw_eye(scene, side);
}

void draw_brows(Scene& scene) {
  const Face& f = scene.face;
  for (const float side : {-1.0F, 1.0F}) {
    const float x = f.yaw + side * f.eye_x, length = f.brow_length;
    const Line line = curve({{x - side * 0.95F * length, f.brow_y + 0.05F * f.brow_arch},
                             {x + side * 0.2F * length, f.brow_y - f.brow_arch},
                             {x + side * 1.05F * length, f.brow_y + 0.5F * f.brow_arch}});
    scene.canvas.fill(
        stroke(line, 0.85F * f.brow_thickness, f.brow_thickness, 0.3F * f.brow_thickness), f.brow,
        0.95F);
  }
}

void draw_nose(Scene& scene) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  const float x = 1.25F * f.yaw, y = f.nose_y, w = f.nose_width;
  const Color line = f.skin * Color{0.66F, 0.52F, 0.48F};
  canvas.glow(scene.head, {x, y - 0.02F}, 1.7F * w, 1.2F * w, f.skin_shadow, 0.35F);
  canvas.glow(scene.head, {x - 0.1F * w, y - 0.5F * w}, 0.8F * w, 0.9F * w,
              mix(f.skin, {1, 1, 1}, 0.5F), 0.6F);
  if (f.nose_bridge > 0) {
    canvas.fill(stroke(curve({{x + 0.35F * w, f.eye_y - 0.02F},
                              {x + 0.30F * w, 0.5F * (f.eye_y + y)},
                              {x + 0.75F * w, y - 0.45F * w}}),
                       0.008F, 0.02F, 0.012F),
                line, 0.55F * f.nose_bridge);
  }
  const Line under = curve({{x - w, y - 0.25F * w},
                            {x - 0.92F * w, y + 0.22F * w},
                            {x - 0.40F * w, y + 0.20F * w},
                            {x, y + 0.42F * w},
                            {x + 0.40F * w, y + 0.20F * w},
                            {x + 0.92F * w, y + 0.22F * w},
                            {x + w, y - 0.25F * w}});
  canvas.fill(stroke(under, 0.014F, 0.026F, 0.014F), line, 0.9F);
}

void draw_mouth(Scene& scene) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  const float x = 1.1F * f.yaw, y = f.mouth_y, w = f.mouth_width, s = f.smile;
  const float gap = 0.10F * f.open * (w / 0.22F);  // between the lips, at the middle
  const auto at = [&](float u, float v) { return Point{x + w * u, y + v}; };
  const Point left = at(-1, -s), right = at(1, -s);
  const Line inner_top =
      curve({left, at(-0.5F, 0.2F * s), at(0, 0.35F * s), at(0.5F, 0.2F * s), right});
  const Line inner_bottom = curve({right, at(0.5F, 0.2F * s + 0.8F * gap), at(0, 0.35F * s + gap),
                                   at(-0.5F, 0.2F * s + 0.8F * gap), left});
  const float up = f.upper_lip, low = f.lower_lip;
  const Line top = curve({right, at(0.55F, 0.1F * s - 0.75F * up), at(0.18F, 0.3F * s - 1.15F * up),
                          at(0, 0.3F * s - 0.75F * up), at(-0.18F, 0.3F * s - 1.15F * up),
                          at(-0.55F, 0.1F * s - 0.75F * up), left});
  const Line bottom =
      curve({left, at(-0.55F, 0.25F * s + 0.8F * gap + 0.75F * low), at(0, 0.4F * s + gap + low),
             at(0.55F, 0.25F * s + 0.8F * gap + 0.75F * low), right});
  canvas.glow(scene.head, {x, y + gap + low + 0.06F}, 0.8F * w, 0.05F, f.skin_shadow, 0.6F);
  if (f.open > 0) {
    const Coverage mouth = canvas.coverage(joined({inner_top, inner_bottom}));
    canvas.fill(mouth, {0.36F, 0.09F, 0.09F});
    canvas.fill(
        intersection(canvas.coverage(ellipse(at(0, 0.1F * s), 0.82F * w, 0.55F * gap + 0.02F)),
                     mouth),
        {0.97F, 0.96F, 0.93F});
  }
  canvas.fill(joined({inner_top, top}), f.lips * Color{0.88F, 0.86F, 0.86F});
  canvas.fill(joined({bottom, inner_bottom}), f.lips);
  canvas.glow(canvas.coverage(joined({bottom, inner_bottom})),
              at(0.1F, 0.4F * s + gap + 0.4F * low), 0.4F * w, 0.6F * low,
              mix(f.lips, {1, 1, 1}, 0.6F), 0.6F);
  const Color seam = mix(f.lips * Color{0.42F, 0.34F, 0.34F}, kInk, 0.3F);
  if (f.open == 0) canvas.fill(stroke(inner_top, 0.016F, 0.022F, 0.016F), seam, 0.95F);
}

}  // namespace fovea::synth
