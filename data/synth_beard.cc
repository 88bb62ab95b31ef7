// Beards.
#include "data/synth_parts.h"

namespace fovea::synth {

void draw_beard(Scene& scene) {
  const Face& f = scene.face;
  if (f.beard == Beard::kNone) return;
  Canvas& canvas = scene.canvas;
  const Color hair = mix(f.brow, darker_hair(f.hair), 0.3F);
  const float x = f.yaw, y = f.mouth_y, w = f.mouth_width;
  const Path moustache = joined({curve({{x - 1.2F * w, y + 0.04F},
                                        {x - 0.7F * w, y - 0.075F},
                                        {x, y - 0.10F},
                                        {x + 0.7F * w, y - 0.075F},
                                        {x + 1.2F * w, y + 0.04F}}),
                                 curve({{x + 1.2F * w, y + 0.04F},
                                        {x + 0.6F * w, y - 0.005F},
                                        {x, y - 0.035F},
                                        {x - 0.6F * w, y - 0.005F},
                                        {x - 1.2F * w, y + 0.04F}})});
  const Path cheeks = joined({curve({{-1.1F * f.cheek, f.eye_y + 0.12F},
                                     {-0.80F * f.cheek + x, f.nose_y + 0.08F},
                                     {-1.25F * w + x, y - 0.06F},
                                     {x, y - 0.10F},
                                     {1.25F * w + x, y - 0.06F},
                                     {0.80F * f.cheek + x, f.nose_y + 0.08F},
                                     {1.1F * f.cheek, f.eye_y + 0.12F}}),
                              {{1.1F, f.chin + 0.2F}, {-1.1F, f.chin + 0.2F}}});
  if (f.beard == Beard::kStubble) {
    canvas.fill(intersection(scene.head, canvas.coverage(cheeks)), mix(hair, f.skin, 0.35F), 0.42F);
    return;
  }
  if (f.beard == Beard::kFull) {
    canvas.fill(intersection(scene.head, canvas.coverage(cheeks)), hair);
    canvas.fill(closed_curve({{-0.9F * f.jaw, f.mouth_y + 0.12F},
                              {0, f.mouth_y + 0.05F},
                              {0.9F * f.jaw, f.mouth_y + 0.12F},
                              {0.75F * f.jaw, f.chin},
                              {0, f.chin + 0.1F},
                              {-0.75F * f.jaw, f.chin}}),
                hair);
  }
  if (f.beard == Beard::kGoatee) {
    canvas.fill(closed_curve({{x - 0.62F * w, y + 0.12F},
                              {x, y + 0.105F},
                              {x + 0.62F * w, y + 0.12F},
                              {x + 0.75F * w, f.chin - 0.05F},
                              {x, f.chin + 0.055F},
                              {x - 0.75F * w, f.chin - 0.05F}}),
                hair);
  }
  canvas.fill(moustache, hair);
  if (f.beard == Beard::kFull)
    canvas.fill(ellipse({x, y + 0.02F}, 0.9F * w, 0.085F), mix(f.skin, hair, 0.25F));
}

}  // namespace fovea::synth
