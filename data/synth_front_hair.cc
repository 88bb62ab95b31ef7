// Hair on the skull and what falls in front of the ears.
#include <algorithm>
#include <cmath>

#include "data/synth_parts.h"

namespace fovea::synth {
namespace {

// The top of the hair mass: from the left side over the crown to the right side, ends at `side_y`.
Line cap_top(const Face& f, float side_y, float volume) {
  const float w = f.skull, c = f.crown;
  return curve({{-(f.cheek + 0.03F), side_y},
                {-(w + 0.55F * volume), f.eye_y - 0.16F},
                {-(0.93F * w + 0.75F * volume), c + 0.30F},
                {-(0.56F * w + 0.4F * volume), c + 0.04F - 0.6F * volume},
                {0, c - volume},
                {0.56F * w + 0.4F * volume, c + 0.04F - 0.6F * volume},
                {0.93F * w + 0.75F * volume, c + 0.30F},
                {w + 0.55F * volume, f.eye_y - 0.16F},
                {f.cheek + 0.03F, side_y}});
}

// The lower edge of the hair, from the right side to the left one.
Line hairline(const Face& f, float side_y) {
  const float w = f.skull, y = f.hairline, x = f.yaw;
  const float inner = 0.86F * f.cheek;
  const Point right{inner + x * 0.5F, side_y}, left{-inner + x * 0.5F, side_y};
  const Point right_temple{0.80F * w + x, f.eye_y - 0.24F},
      left_temple{-0.80F * w + x, f.eye_y - 0.24F};
  switch (f.cut) {
    case HairCut::kFringe: {
      const float fringe = f.brow_y - 0.045F;
      return curve({right,
                    {0.82F * w + x, f.eye_y - 0.10F},
                    {0.66F * w + x, fringe + 0.01F},
                    {0.34F * w + x, fringe - 0.02F},
                    {x, fringe - 0.01F},
                    {-0.34F * w + x, fringe - 0.02F},
                    {-0.66F * w + x, fringe + 0.01F},
                    {-0.82F * w + x, f.eye_y - 0.10F},
                    left});
    }
    case HairCut::kSwept: {
      const float p = f.parting;  // the hair rises at the parting and sweeps down on the other side
      Line line = curve({{p * inner + 0.5F * x, side_y},
                         {p * 0.80F * w + x, f.eye_y - 0.24F},
                         {p * 0.60F * w + x, y + 0.02F - 0.10F * f.receding},
                         {p * 0.36F * w + x, y - 0.10F - 0.05F * f.receding},
                         {-p * 0.05F * w + x, y + 0.05F},
                         {-p * 0.50F * w + x, y + 0.12F - 0.1F * f.receding},
                         {-p * 0.80F * w + x, f.eye_y - 0.20F},
                         {-p * inner + 0.5F * x, side_y}});
      if (p < 0) std::reverse(line.begin(), line.end());
      return line;
    }
    case HairCut::kCentreParted:
      return curve({right,
                    {0.84F * w + x, f.eye_y - 0.16F},
                    {0.58F * w + x, y + 0.07F},
                    {0.22F * w + x, y - 0.09F},
                    {x, y - 0.15F},
                    {-0.22F * w + x, y - 0.09F},
                    {-0.58F * w + x, y + 0.07F},
                    {-0.84F * w + x, f.eye_y - 0.16F},
                    left});
    default: {
      const float r = 0.16F * f.receding;
      return curve({right,
                    right_temple,
                    {0.62F * w + x, y + 0.02F - r},
                    {0.36F * w + x, y - 0.02F - 1.1F * r},
                    {x, y + 0.01F - 0.1F * r},
                    {-0.36F * w + x, y - 0.02F - 1.1F * r},
                    {-0.62F * w + x, y + 0.02F - r},
                    left_temple,
                    left});
    }
  }
}

void draw_tuft(Scene& scene) {
  const Face& f = scene.face;
  const Coverage fuzz = scene.canvas.coverage(
      joined({cap_top(f, f.eye_y - 0.25F, 0.015F), hairline(f, f.eye_y - 0.25F)}));
  scene.canvas.fill(fuzz, mix(f.hair, f.skin, 0.35F), 0.4F);
  for (int i = 0; i < 5; ++i) {
    const float t = 0.5F * static_cast<float>(i) - 1;
    const Point root{0.16F * t, f.crown + 0.03F};
    scene.canvas.fill(stroke(curve({root, root + Point{0.03F * t + 0.03F, -0.07F},
                                    root + Point{0.11F * t + 0.06F, -0.11F}}),
                             0.03F, 0.025F, 0.008F),
                      f.hair);
  }
}

void draw_bald(Scene& scene) {
  const Face& f = scene.face;
  for (const float side : {-1.0F, 1.0F}) {
    Path patch = closed_curve({{f.cheek + 0.02F, f.eye_y + 0.04F},
                               {f.skull + 0.045F, f.eye_y - 0.08F},
                               {f.skull + 0.03F, f.eye_y - 0.26F},
                               {0.95F * f.skull, f.eye_y - 0.38F},
                               {0.86F * f.skull, f.eye_y - 0.24F},
                               {0.88F * f.cheek, f.eye_y - 0.02F},
                               {0.90F * f.cheek, f.eye_y + 0.16F},
                               {0.99F * f.cheek, f.eye_y + 0.14F}});
    if (side < 0) patch = mirrored(patch);
    const Coverage area = fill_hair(scene, patch, f.hair);
    scene.canvas.glow(area, {side * (f.skull + 0.02F), f.eye_y - 0.2F}, 0.12F, 0.2F,
                      lighter_hair(f.hair), 0.6F);
  }
  scene.canvas.glow(scene.head, {-0.15F, f.crown + 0.2F}, 0.3F, 0.15F, {1, 1, 1}, 0.35F);
}

Coverage draw_spikes(Scene& scene) {
  const Face& f = scene.face;
  Line top{{-(f.cheek + 0.03F), f.eye_y - 0.02F}};
  constexpr int kSpikes = 9;
  for (int i = 0; i <= 2 * kSpikes; ++i) {
    const float angle = 3.1416F * (0.08F + 0.84F * static_cast<float>(i) / (2 * kSpikes));
    const float reach = i % 2 ? 0.20F + 0.5F * f.hair_volume : 0.03F;
    top.push_back({-std::cos(angle) * (f.skull + 0.5F * reach + 0.02F),
                   f.eye_y - 0.2F - std::sin(angle) * (f.eye_y - 0.2F - f.crown + reach)});
  }
  top.push_back({f.cheek + 0.03F, f.eye_y - 0.02F});
  return fill_hair(scene, joined({top, hairline(f, f.eye_y - 0.02F)}), f.hair);
}

Coverage draw_curls(Scene& scene) {
  const Face& f = scene.face;
  const float side_y = f.eye_y + 0.05F;
  const Coverage base = fill_hair(
      scene, joined({cap_top(f, side_y, f.hair_volume + 0.03F), hairline(f, side_y)}), f.hair);
  constexpr int kCurls = 15;
  const float radius = 0.085F + 0.4F * f.hair_volume;
  for (int i = 0; i < kCurls; ++i) {
    const float angle = 3.1416F * (-0.06F + 1.12F * static_cast<float>(i) / (kCurls - 1));
    const Point at{-std::cos(angle) * (f.skull + 0.05F),
                   f.eye_y - 0.25F - std::sin(angle) * (f.eye_y - 0.25F - f.crown + 0.02F)};
    scene.canvas.fill(ellipse(at, radius, radius),
                      i % 2 ? mix(f.hair, darker_hair(f.hair), 0.35F) : f.hair);
  }
  for (int i = 0; i < 12; ++i) {
    const float t = static_cast<float>(i) / 11;
    const Point at{(2 * t - 1) * 0.75F * f.skull,
                   f.crown + 0.10F + 0.1F * mark_draw(f, 800 + static_cast<std::uint64_t>(i))};
    const Coverage arc = scene.canvas.coverage(
        stroke(curve({at + Point{-0.05F, 0.02F}, at + Point{0, -0.03F}, at + Point{0.05F, 0.02F}}),
               0.022F));
    scene.canvas.fill(intersection(arc, base), i % 2 ? darker_hair(f.hair) : lighter_hair(f.hair),
                      0.55F);
  }
  return base;
}

// Locks that fall in front of the ears, for long hair.
void draw_locks(Scene& scene) {
  const Face& f = scene.face;
  const float end = f.back == BackHair::kBob ? f.mouth_y + 0.14F : 1.25F;
  const float wave = f.back == BackHair::kWavy ? 0.035F : 0.0F;
  for (const float side : {-1.0F, 1.0F}) {
    const float top = f.eye_y - 0.28F;
    Line outer, inner;
    constexpr int kSteps = 7;
    for (int i = 0; i <= kSteps; ++i) {
      const float t = static_cast<float>(i) / kSteps, y = top + t * (end - top);
      const float ripple = i % 2 ? wave : -wave;
      outer.push_back({f.skull + 0.05F + 0.05F * t + ripple, y});
      inner.push_back(
          {(0.92F - 0.02F * t) * f.cheek + 0.4F * f.yaw * side + ripple - (i == 0 ? 0.05F : 0.0F),
           y});
    }
    std::reverse(inner.begin(), inner.end());
    Path lock = joined({curve(outer), curve(inner)});
    if (side < 0) lock = mirrored(lock);
    const Coverage area = fill_hair(scene, lock, f.hair);
    draw_strands(scene, area, {side * (f.skull - 0.02F), top}, {side * (f.cheek + 0.06F), end},
                 {side * 0.03F, 0}, 4, 0.14F);
  }
}

Coverage draw_cap(Scene& scene) {
  const Face& f = scene.face;
  const bool short_hair = f.back == BackHair::kNone || f.back == BackHair::kBun ||
                          f.back == BackHair::kPonytail || f.back == BackHair::kPigtails;
  if (!short_hair) draw_locks(scene);
  const float side_y = short_hair ? f.eye_y + 0.08F : f.eye_y + 0.02F;
  const float volume = f.cut == HairCut::kCropped ? 0.045F : f.hair_volume;
  const Coverage area =
      fill_hair(scene, joined({cap_top(f, side_y, volume), hairline(f, side_y)}), f.hair);
  Canvas& canvas = scene.canvas;
  canvas.glow(area, {-0.2F, f.crown + 0.06F}, 0.5F, 0.16F, lighter_hair(f.hair), 0.7F);
  const float p = f.cut == HairCut::kSwept ? f.parting : 0.0F;
  const float reach = f.cut == HairCut::kFringe ? f.brow_y : f.hairline + 0.05F;
  if (f.cut == HairCut::kCropped) return area;
  draw_strands(scene, area, {0.35F * p * f.skull, f.crown - 0.6F * volume}, {-0.15F * p, reach},
               {-0.25F * p, 0.02F}, 9, 0.62F * f.skull * 1.4F);
  return area;
}

}  // namespace

void draw_front_hair(Scene& scene) {
  const Face& f = scene.face;
  Coverage hair;
  switch (f.cut) {
    case HairCut::kTuft:
      return draw_tuft(scene);
    case HairCut::kBald:
      return draw_bald(scene);
    case HairCut::kSpiky:
      hair = draw_spikes(scene);
      break;
    case HairCut::kCurly:
      hair = draw_curls(scene);
      break;
    default:
      hair = draw_cap(scene);
  }
  for (const float side : {-1.0F, 1.0F}) {  // gray comes first at the temples
    scene.canvas.glow(hair, {side * f.skull, f.eye_y - 0.12F}, 0.24F, 0.36F, {0.84F, 0.84F, 0.85F},
                      f.gray_temples);
  }
}

}  // namespace fovea::synth
