// What a synthetic face looks like: from labels and random draws to the numbers that are drawn.
//
// The draws (Person, Shot) know nothing of the labels, so that the same person can be described
// with another age or gender: describe({age, gender}, person, shot). Whatever differs between two
// such faces is what carries the label; masks are made from exactly that (data/synth_face.h).
//
// Lengths are in face units: the head is about 1.2 wide and 1.7 high, its centre is (0, 0), x to
// the right, y down; the picture spans about -1.15 .. 1.15.
#pragma once

#include <array>
#include <cstdint>

#include "data/canvas.h"

namespace fovea::synth {

inline constexpr int kAgeCount = 8;  // (0, 2) (4, 6) (8, 12) (15, 20) (25, 32) (38, 43) (48, 53)
                                     // (60, 100)
enum class Gender : std::uint8_t { kMale = 0, kFemale = 1 };

struct Labels {
  int age = 0;  // 0 .. kAgeCount - 1
  Gender gender = Gender::kMale;
  bool operator==(const Labels&) const = default;
};

// What stays the same over all pictures of a subject: uniform draws in [0, 1), one per decision.
struct Person {
  float skin = 0, hair_color = 0, eye_color = 0, hair_style = 0, hair_volume = 0, parting = 0;
  float head_width = 0, jaw_width = 0, chin_length = 0, nose_size = 0, lip_fullness = 0;
  float brow_shape = 0, eye_size = 0, eye_distance = 0, mouth_width = 0, ear_size = 0;
  float years = 0;      // where in the age class
  float graying = 0;    // earlier or later than others
  float balding = 0;    // earlier or later than others, men
  float wrinkling = 0;  // earlier or later than others
  float beard = 0, makeup = 0, jewellery = 0, freckles = 0, blemishes = 0, hair_dye = 0;
};

// What changes from picture to picture, none of it told by the labels.
struct Shot {
  float yaw = 0, tilt = 0, scale = 0, shift_x = 0, shift_y = 0;  // pose
  float smile = 0, open_mouth = 0, brow_lift = 0, gaze = 0, blink = 0;
  float background = 0, background_hue = 0, background_angle = 0;
  float light_angle = 0, light_strength = 0, exposure = 0, warmth = 0, noise = 0;
  float glasses = 0, glasses_style = 0, hat = 0, hat_color = 0, shirt = 0;
};

enum class HairCut : std::uint8_t {  // what covers the skull
  kTuft,                             // a baby's few strands
  kBald,                             // sides only
  kCropped,                          // short all over
  kSwept,                            // side parting, hair swept over
  kSpiky,                            // short, standing up
  kCurly,                            // a round mass of curls
  kFringe,                           // straight across the forehead
  kCentreParted                      // falling to both sides
};
enum class BackHair : std::uint8_t { kNone, kBob, kLong, kWavy, kPigtails, kBun, kPonytail };
enum class Beard : std::uint8_t { kNone, kStubble, kMoustache, kGoatee, kFull };
enum class Glasses : std::uint8_t { kNone, kRound, kSquare, kSun };
enum class Hat : std::uint8_t { kNone, kBeanie, kCap };

// A face as it is drawn.
struct Face {
  // Outline: heights of crown and chin, half widths of skull, cheeks, jaw and chin.
  float crown = 0, chin = 0, skull = 0, cheek = 0, jaw = 0, chin_width = 0, ear = 0, neck = 0;
  // Eyes: height of their line, half distance, half width and half height of one.
  float eye_y = 0, eye_x = 0, eye_width = 0, eye_height = 0, lashes = 0, lid_droop = 0;
  float brow_y = 0, brow_thickness = 0, brow_length = 0, brow_arch = 0;
  float nose_y = 0, nose_width = 0, nose_bridge = 0;
  float mouth_y = 0, mouth_width = 0, upper_lip = 0, lower_lip = 0, smile = 0, open = 0;
  // Strengths, 0..1.
  float forehead_lines = 0, mouth_folds = 0, crow_feet = 0, eye_bags = 0, jowls = 0;
  float blush = 0, freckles = 0, blemishes = 0, age_spots = 0, eye_shadow = 0;
  float gray = 0, gray_temples = 0, hairline = 0, receding = 0, hair_volume = 0, parting = 0;
  HairCut cut = HairCut::kCropped;
  BackHair back = BackHair::kNone;
  Beard beard = Beard::kNone;
  Glasses glasses = Glasses::kNone;
  Hat hat = Hat::kNone;
  bool bow = false, earrings = false;
  Color skin, skin_shadow, hair, brow, lips, iris, shirt, hat_color, frame, accent;
  // Pose: sideways shift of everything on the front of the face; then rotation (radians), scale,
  // shift of the whole head.
  float yaw = 0, tilt = 0, scale = 1, shift_x = 0, shift_y = 0, gaze = 0;
  // Seed of the small marks (freckles, strands): the person's, whatever the labels.
  std::uint64_t marks = 0;
};

[[nodiscard]] Person draw_person(std::uint64_t seed, std::uint64_t subject);
[[nodiscard]] Shot draw_shot(std::uint64_t seed, std::uint64_t face);
[[nodiscard]] Face describe(const Labels& labels, const Person& person, const Shot& shot);

}  // namespace fovea::synth
