#include "data/synth_face.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/synth_parts.h"
#include "engine/core/random.h"

namespace fovea::synth {
namespace {

constexpr float kVisibleWidth = 2.3F;  // face units across the picture

Affine to_pixels(const Face& face, int size) {
  const float unit = static_cast<float>(size) / kVisibleWidth, zoom = unit * face.scale;
  const float c = zoom * std::cos(face.tilt), s = zoom * std::sin(face.tilt);
  const float middle = 0.5F * static_cast<float>(size);
  return {.xx = c,
          .xy = -s,
          .yx = s,
          .yy = c,
          .tx = middle + unit * face.shift_x,
          .ty = middle + unit * (face.shift_y + 0.04F)};
}

// Hue in turns.
Color from_hue(float hue, float saturation, float value) {
  const auto channel = [&](float offset) {
    const float wave = 0.5F + 0.5F * std::cos(2 * std::numbers::pi_v<float> * (hue + offset));
    return value * (1 - saturation + saturation * wave);
  };
  return {channel(0), channel(-1.0F / 3), channel(-2.0F / 3)};
}

void draw_background(Canvas& canvas, const Shot& shot) {
  const float value = 0.35F + 0.55F * shot.background;
  const Color first = from_hue(shot.background_hue, 0.35F, value);
  const Color second = from_hue(shot.background_hue + 0.12F, 0.30F, 0.75F * value);
  const float angle = 2 * std::numbers::pi_v<float> * shot.background_angle;
  const Point direction{1.2F * std::cos(angle), 1.2F * std::sin(angle)};
  canvas.fill(canvas.everywhere(), first, second, -1.0F * direction, direction);
  // A few things out of focus.
  for (int i = 0; i < 3; ++i) {
    const float turn = angle + 2.1F * static_cast<float>(i);
    const Point at{1.0F * std::cos(turn), 0.9F * std::sin(turn)};
    const float radius = 0.35F + 0.25F * std::abs(std::sin(3 * turn));
    canvas.glow(canvas.everywhere(), at, radius, radius,
                from_hue(shot.background_hue + 0.3F * static_cast<float>(i), 0.4F, 0.9F), 0.5F);
  }
}

void draw_body(Scene& scene) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  const float shoulder = f.chin + 0.26F;
  const Path shirt = closed_curve({{-0.35F, shoulder - 0.08F},
                                   {0, shoulder},
                                   {0.35F, shoulder - 0.08F},
                                   {0.55F + 0.8F * f.neck, shoulder + 0.08F},
                                   {0.7F + 1.1F * f.neck, shoulder + 0.7F},
                                   {0, shoulder + 1.2F},
                                   {-0.7F - 1.1F * f.neck, shoulder + 0.7F},
                                   {-0.55F - 0.8F * f.neck, shoulder + 0.08F}});
  canvas.fill(shirt, f.shirt);
  const Path neck = joined({curve({{-f.neck, f.mouth_y - 0.1F},
                                   {-0.95F * f.neck, f.chin + 0.05F},
                                   {-1.25F * f.neck, shoulder + 0.02F}}),
                            curve({{-1.25F * f.neck, shoulder + 0.02F},
                                   {0, shoulder + 0.13F},
                                   {1.25F * f.neck, shoulder + 0.02F}}),
                            curve({{1.25F * f.neck, shoulder + 0.02F},
                                   {0.95F * f.neck, f.chin + 0.05F},
                                   {f.neck, f.mouth_y - 0.1F}})});
  const Coverage skin = canvas.coverage(neck);
  canvas.fill(skin, mix(f.skin, f.skin_shadow, 0.35F));
  canvas.glow(skin, {f.yaw, f.chin}, 1.3F * f.jaw, 0.26F, f.skin_shadow * Color{0.9F, 0.86F, 0.86F},
              0.95F);
}

void draw_ears(Scene& scene) {
  const Face& f = scene.face;
  for (const float side : {-1.0F, 1.0F}) {
    const Point at{side * (f.cheek + 0.035F) - 0.3F * f.yaw, f.eye_y + 0.09F};
    scene.canvas.fill(ellipse(at, 0.52F * f.ear, f.ear, side * 0.15F),
                      mix(f.skin, f.skin_shadow, 0.25F));
    scene.canvas.fill(stroke(curve({at + Point{side * 0.01F, -0.6F * f.ear},
                                    at + Point{side * 0.28F * f.ear, -0.1F * f.ear},
                                    at + Point{0, 0.5F * f.ear}}),
                             0.014F),
                      f.skin_shadow, 0.8F);
  }
}

void draw_head(Scene& scene) {
  const Face& f = scene.face;
  Canvas& canvas = scene.canvas;
  canvas.fill(scene.head, f.skin);
  canvas.glow(scene.head, {f.yaw, f.brow_y - 0.16F}, 0.5F, 0.3F, mix(f.skin, {1, 1, 1}, 0.4F),
              0.35F);
  canvas.glow(scene.head, {0, f.chin + 0.08F}, 0.8F, 0.3F, f.skin_shadow, 0.6F);
  Line rim = head_outline(f);
  rim.push_back(rim.front());
  canvas.fill(intersection(canvas.coverage(stroke(rim, 0.03F)), scene.head), f.skin_shadow, 0.6F);
}

}  // namespace

Path head_outline(const Face& f) {
  const float jaw = f.jaw + 0.04F * f.jowls;
  const std::vector<Point> right{{0.56F * f.skull, f.crown + 0.115F},
                                 {0.91F * f.skull, f.crown + 0.40F},
                                 {0.985F * f.skull, f.eye_y - 0.10F},
                                 {f.cheek, f.eye_y + 0.20F},
                                 {jaw, f.mouth_y + 0.04F},
                                 {0.5F * (jaw + f.chin_width), f.chin - 0.115F},
                                 {f.chin_width, f.chin - 0.03F}};
  std::vector<Point> points{{0, f.crown}};
  points.insert(points.end(), right.begin(), right.end());
  points.push_back({0, f.chin});
  for (auto p = right.rbegin(); p != right.rend(); ++p) points.push_back({-p->x, p->y});
  return closed_curve(points);
}

float mark_draw(const Face& face, std::uint64_t index) {
  return random_uniform({face.marks, RandomPurpose::kSynthFace, std::uint64_t{1} << 34}, index);
}

Canvas draw_face(const Face& face, const Shot& shot, int size) {
  Canvas canvas(size, to_pixels(face, size));
  draw_background(canvas, shot);
  Scene scene{canvas, face, canvas.coverage(head_outline(face))};
  draw_back_hair(scene);
  draw_body(scene);
  draw_ears(scene);
  draw_head(scene);
  draw_skin_marks(scene);
  draw_beard(scene);
  draw_nose(scene);
  draw_mouth(scene);
  draw_eyes(scene);
  draw_brows(scene);
  draw_front_hair(scene);
  draw_glasses(scene);
  draw_hat(scene);
  draw_jewellery(scene);
  return canvas;
}

Image photograph(const Canvas& canvas, const Shot& shot, std::uint64_t seed, std::uint64_t face) {
  const int size = canvas.size();
  const float angle = 2 * std::numbers::pi_v<float> * shot.light_angle;
  const float fall_off = 0.22F * shot.light_strength / static_cast<float>(size);
  const float dx = fall_off * std::cos(angle), dy = fall_off * std::sin(angle);
  const float exposure = 0.84F + 0.22F * shot.exposure, warm = 0.05F * (2 * shot.warmth - 1);
  const float gain[3] = {exposure * (1 + warm), exposure, exposure * (1 - warm)};
  const float noise = 0.022F * shot.noise;
  const RandomKey key{seed, RandomPurpose::kSynthFace, (std::uint64_t{1} << 33) + face};
  Image image{size, size, 3, {}};
  image.pixels.resize(3 * canvas.plane(0).size());
  std::array<std::uint32_t, 4> words{};
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const auto pixel = static_cast<std::size_t>(y) * static_cast<std::size_t>(size) +
                         static_cast<std::size_t>(x);
      if (pixel % 4 == 0) words = random_words(key, pixel / 4);
      // The sum of four uniform bytes is nearly normal; scaled to standard deviation 1.
      const std::uint32_t w = words[pixel % 4];
      const auto bytes =
          static_cast<float>((w & 255U) + (w >> 8 & 255U) + (w >> 16 & 255U) + (w >> 24));
      const float grain = noise * (bytes - 510) / 147.8F;
      const float light = 1 + dx * (static_cast<float>(x) - 0.5F * static_cast<float>(size)) * 2 +
                          dy * (static_cast<float>(y) - 0.5F * static_cast<float>(size)) * 2;
      for (int c = 0; c < 3; ++c) {
        const float value = canvas.plane(c)[pixel] * gain[c] * light + grain;
        image.pixels[3 * pixel + static_cast<std::size_t>(c)] =
            static_cast<std::uint8_t>(std::clamp(255 * value + 0.5F, 0.0F, 255.0F));
      }
    }
  }
  return image;
}

std::vector<std::uint8_t> label_mask(const Labels& labels, const Person& person, const Shot& shot,
                                     const Canvas& drawn) {
  std::vector<std::uint8_t> mask(drawn.plane(0).size());
  const auto mark = [&](const Labels& other, std::uint8_t bit) {
    const Canvas changed = draw_face(describe(other, person, shot), shot, drawn.size());
    for (int c = 0; c < 3; ++c) {
      const auto &a = drawn.plane(c), &b = changed.plane(c);
      for (std::size_t i = 0; i < mask.size(); ++i) {
        if (std::abs(a[i] - b[i]) >= kVisibleDifference) mask[i] |= bit;
      }
    }
  };
  for (int age = 0; age < kAgeCount; ++age) {
    if (age != labels.age) mark({age, labels.gender}, kCarriesAge);
  }
  mark({labels.age, labels.gender == Gender::kMale ? Gender::kFemale : Gender::kMale},
       kCarriesGender);
  return mask;
}

FaceBox face_box(const Face& face, int size) {
  const Affine map = to_pixels(face, size);
  FaceBox box{1e9F, 1e9F, -1e9F, -1e9F};
  for (const Point& p : head_outline(face)) {
    const Point q = map(p);
    box = {std::min(box.left, q.x), std::min(box.top, q.y), std::max(box.right, q.x),
           std::max(box.bottom, q.y)};
  }
  return box;
}

}  // namespace fovea::synth
