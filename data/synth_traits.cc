#include "data/synth_traits.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "data/synth_age_curves.h"
#include "engine/core/random.h"

namespace fovea::synth {
namespace {

// u in [0, 1) spread evenly over [-1, 1).
constexpr float centred(float u) { return 2 * u - 1; }

// The u-th of `table`, u in [0, 1).
template <class T, std::size_t N>
constexpr T pick(const std::array<T, N>& table, float u) {
  return table[std::min(N - 1, static_cast<std::size_t>(u * static_cast<float>(N)))];
}

constexpr std::array<Color, 7> kSkin{{{0.98F, 0.86F, 0.77F},
                                      {0.96F, 0.80F, 0.68F},
                                      {0.91F, 0.73F, 0.58F},
                                      {0.83F, 0.63F, 0.47F},
                                      {0.71F, 0.51F, 0.37F},
                                      {0.57F, 0.39F, 0.28F},
                                      {0.44F, 0.29F, 0.21F}}};
constexpr std::array<Color, 8> kHair{{{0.09F, 0.07F, 0.07F},
                                      {0.17F, 0.11F, 0.08F},
                                      {0.26F, 0.16F, 0.10F},
                                      {0.38F, 0.24F, 0.14F},
                                      {0.50F, 0.33F, 0.18F},
                                      {0.80F, 0.62F, 0.34F},
                                      {0.68F, 0.49F, 0.27F},
                                      {0.62F, 0.27F, 0.12F}}};
constexpr std::array<Color, 5> kIris{{{0.24F, 0.14F, 0.08F},
                                      {0.38F, 0.24F, 0.12F},
                                      {0.28F, 0.46F, 0.66F},
                                      {0.33F, 0.48F, 0.30F},
                                      {0.42F, 0.46F, 0.50F}}};
constexpr std::array<Color, 8> kCloth{{{0.20F, 0.33F, 0.55F},
                                       {0.62F, 0.24F, 0.25F},
                                       {0.24F, 0.46F, 0.38F},
                                       {0.85F, 0.70F, 0.36F},
                                       {0.36F, 0.32F, 0.46F},
                                       {0.88F, 0.87F, 0.84F},
                                       {0.23F, 0.24F, 0.27F},
                                       {0.78F, 0.48F, 0.34F}}};
constexpr Color kWhiteHair{0.86F, 0.86F, 0.87F};

// Hair dark enough to stand out from the skin, or fair: dark skins draw from the dark half only.
Color hair_color(const Person& person) {
  const float reach = person.skin > 0.55F ? 0.4F : 1.0F;
  return pick(kHair, person.hair_color * reach);
}

void describe_bones(Face& face, const Labels& labels, const Person& person, float years) {
  const float mature = at_age(kMaturity, years);
  const float male = labels.gender == Gender::kMale ? mature : 0;
  const float female = labels.gender == Gender::kFemale ? mature : 0;
  const float width = 1 + 0.04F * centred(person.head_width);
  face.crown = at_age(kCrown, years);
  face.chin =
      at_age(kChin, years) + 0.03F * centred(person.chin_length) + 0.025F * male - 0.025F * female;
  face.skull = at_age(kSkull, years) * width;
  face.cheek = (at_age(kCheek, years) + 0.012F * male) * width;
  face.jaw = at_age(kJaw, years) * width + 0.03F * centred(person.jaw_width) + 0.055F * male -
             0.035F * female;
  face.chin_width = at_age(kChinWidth, years) + 0.05F * male - 0.025F * female;
  face.neck = at_age(kNeck, years) + 0.06F * male - 0.05F * female;
  face.ear = at_age(kEar, years) * (1 + 0.12F * centred(person.ear_size));
  face.jowls = at_age(kJowls, years);
}

void describe_eyes(Face& face, const Labels& labels, const Person& person, const Shot& shot,
                   float years) {
  const float mature = at_age(kMaturity, years);
  const bool female = labels.gender == Gender::kFemale;
  face.eye_y = at_age(kEyeY, years);
  face.eye_x = at_age(kEyeX, years) * (1 + 0.05F * centred(person.eye_distance));
  face.eye_width = at_age(kEyeWidth, years) * (1 + 0.06F * centred(person.eye_size)) *
                   (female ? 1.04F : 1.0F - 0.05F * mature);
  face.eye_height = face.eye_width * at_age(kEyeOpen, years) * (female ? 1.05F : 0.95F) *
                    (shot.blink < 0.06F ? 0.55F : 1.0F);
  face.lashes = female ? 0.55F + 0.45F * mature : 0.0F;
  face.eye_shadow = female && years > 14 ? std::max(0.0F, person.makeup - 0.35F) : 0.0F;
  face.lid_droop = std::clamp((years - 45) / 30, 0.0F, 1.0F);
  face.brow_y = face.eye_y - at_age(kBrowGap, years) - 0.6F * face.eye_height -
                0.03F * std::max(0.0F, centred(shot.brow_lift)) -
                (female ? 0.02F : -0.008F) * mature;
  face.brow_thickness = at_age(kBrowThickness, years) *
                        (female ? 1 - 0.45F * mature : 1 + 0.3F * mature) *
                        (1 + 0.15F * centred(person.brow_shape));
  face.brow_length = 1.15F * face.eye_width;
  face.brow_arch = (female ? 0.045F : 0.022F) + 0.012F * centred(person.brow_shape);
  face.iris = pick(kIris, person.skin > 0.55F ? person.eye_color * 0.4F : person.eye_color);
  face.gaze = 0.25F * centred(shot.gaze);
}

void describe_nose_and_mouth(Face& face, const Labels& labels, const Person& person,
                             const Shot& shot, float years) {
  const float mature = at_age(kMaturity, years);
  const bool female = labels.gender == Gender::kFemale;
  face.nose_y = face.eye_y + at_age(kNoseDrop, years);
  face.nose_width = at_age(kNoseWidth, years) * (1 + 0.12F * centred(person.nose_size)) *
                    (female ? 1 - 0.1F * mature : 1 + 0.08F * mature);
  face.nose_bridge = at_age(kNoseBridge, years) * (female ? 0.7F : 1.0F);
  face.mouth_y = face.nose_y + 0.56F * (face.chin - face.nose_y) - 0.06F;
  face.mouth_width = at_age(kMouthWidth, years) * (1 + 0.08F * centred(person.mouth_width)) *
                     (1 + 0.12F * std::max(0.0F, centred(shot.smile)));
  const float full = at_age(kLips, years) * (0.85F + 0.3F * person.lip_fullness) *
                     (female ? 1 + 0.55F * mature : 1 - 0.3F * mature);
  face.upper_lip = 0.036F * full;
  face.lower_lip = 0.052F * full;
  face.smile = 0.042F + 0.05F * centred(shot.smile);
  face.open = shot.open_mouth < 0.3F && shot.smile > 0.45F ? 0.3F + 0.7F * shot.smile : 0.0F;
  const Color natural = mix(face.skin, {0.72F, 0.32F, 0.30F}, female ? 0.62F : 0.38F);
  const bool lipstick = female && years > 14 && person.makeup > 0.3F;
  face.lips =
      lipstick ? mix(natural, {0.76F, 0.10F, 0.20F}, 0.35F + 0.5F * person.makeup) : natural;
}

void describe_skin(Face& face, const Person& person, float years) {
  const float t = person.skin * static_cast<float>(kSkin.size() - 1);
  const auto low = std::min(kSkin.size() - 2, static_cast<std::size_t>(t));
  face.skin = mix(kSkin[low], kSkin[low + 1], t - static_cast<float>(low));
  face.skin_shadow = face.skin * Color{0.74F, 0.64F, 0.62F};
  // Some look younger, some older than they are.
  const float looks = years > 20 ? years + 4.5F * centred(person.wrinkling) : years;
  face.blush = at_age(kBlush, years);
  face.blemishes = at_age(kBlemishes, years) * (0.45F + 0.55F * person.blemishes);
  face.freckles = person.freckles > 0.85F && person.skin < 0.4F ? 1.0F : 0.0F;
  face.age_spots = at_age(kAgeSpots, years);
  face.forehead_lines = at_age(kForeheadLines, looks);
  face.mouth_folds = at_age(kMouthFolds, looks);
  face.crow_feet = at_age(kCrowFeet, looks);
  face.eye_bags = at_age(kEyeBags, looks);
}

// A cut for the upper skull and what hangs behind, from the person's one draw for hair style.
void choose_hair(Face& face, const Labels& labels, const Person& person, float years) {
  const float u = person.hair_style;
  if (years < 2.5F) {
    face.cut = HairCut::kTuft;
    face.bow = labels.gender == Gender::kFemale && person.jewellery < 0.8F;
  } else if (labels.gender == Gender::kFemale) {
    if (years < 13) {
      constexpr std::array kBack{BackHair::kPigtails, BackHair::kPigtails, BackHair::kBob,
                                 BackHair::kLong,     BackHair::kLong,     BackHair::kWavy};
      face.back = pick(kBack, u);
      face.bow = person.jewellery < 0.3F;
    } else if (years < 45) {
      constexpr std::array kBack{BackHair::kLong,     BackHair::kLong, BackHair::kWavy,
                                 BackHair::kWavy,     BackHair::kBob,  BackHair::kBun,
                                 BackHair::kPonytail, BackHair::kNone};
      face.back = pick(kBack, u);
    } else {
      constexpr std::array kBack{BackHair::kLong, BackHair::kWavy, BackHair::kBob, BackHair::kBob,
                                 BackHair::kBob,  BackHair::kBun,  BackHair::kNone};
      face.back = pick(kBack, u);
    }
    const bool up = face.back == BackHair::kBun || face.back == BackHair::kPonytail;
    if (face.back == BackHair::kNone)
      face.cut = HairCut::kCurly;
    else if (up)
      face.cut = HairCut::kCentreParted;
    else
      face.cut = pick(std::array{HairCut::kFringe, HairCut::kSwept, HairCut::kCentreParted},
                      person.parting);
    face.earrings = years > 7 && person.jewellery > 0.45F;
  } else {
    constexpr std::array kBoys{HairCut::kFringe, HairCut::kSpiky, HairCut::kCropped,
                               HairCut::kSwept, HairCut::kCurly};
    constexpr std::array kMen{HairCut::kSwept,       HairCut::kSwept, HairCut::kCropped,
                              HairCut::kCropped,     HairCut::kSpiky, HairCut::kCurly,
                              HairCut::kCentreParted};
    face.cut = years < 13 ? pick(kBoys, u) : pick(kMen, u);
    if (face.cut == HairCut::kCentreParted) face.back = BackHair::kLong;
    const bool bald = years > 30 && person.balding < 0.12F + 0.012F * (years - 30);
    if (bald) face.cut = HairCut::kBald, face.back = BackHair::kNone;
  }
}

void describe_hair(Face& face, const Labels& labels, const Person& person, float years) {
  choose_hair(face, labels, person, years);
  const bool female = labels.gender == Gender::kFemale;
  const Color young =
      years < 7 ? mix(hair_color(person), {0.80F, 0.62F, 0.36F}, 0.15F) : hair_color(person);
  const float looks = years > 20 ? years + 5 * centred(person.graying) : years;
  const bool dyed = female && years > 30 && person.hair_dye < 0.18F;
  face.gray = dyed ? 0.0F : at_age(kGray, looks);
  face.gray_temples = dyed ? 0.0F : std::clamp((looks - 34) / 12, 0.0F, 1.0F);
  face.hair = mix(young, kWhiteHair, face.gray);
  face.brow =
      mix(mix(young * Color{0.75F, 0.72F, 0.7F}, face.skin, 0.08F), kWhiteHair, 0.75F * face.gray);
  face.receding = female ? 0.0F : at_age(kReceding, years) * (1 - 0.7F * person.balding);
  face.hairline = face.crown + 0.30F + 0.03F * centred(person.hair_volume);
  face.hair_volume = (female ? 0.10F : 0.075F) + 0.04F * person.hair_volume;
  face.parting = person.parting < 0.5F ? -1.0F : 1.0F;
}

void describe_beard(Face& face, const Labels& labels, const Person& person, float years) {
  if (labels.gender != Gender::kMale || years < 15) return;
  if (years < 22) {
    if (person.beard > 0.75F) face.beard = Beard::kStubble;
    return;
  }
  constexpr std::array kBeards{Beard::kNone,      Beard::kNone,   Beard::kStubble, Beard::kStubble,
                               Beard::kMoustache, Beard::kGoatee, Beard::kFull,    Beard::kFull};
  face.beard = pick(kBeards, person.beard);
}

void describe_extras(Face& face, const Person& person, const Shot& shot) {
  if (shot.glasses < 0.2F) {
    face.glasses = pick(std::array{Glasses::kRound, Glasses::kSquare, Glasses::kSquare,
                                   Glasses::kRound, Glasses::kSun},
                        shot.glasses_style);
  }
  if (shot.hat < 0.09F) face.hat = shot.hat < 0.045F ? Hat::kBeanie : Hat::kCap;
  face.hat_color = pick(kCloth, shot.hat_color);
  face.shirt = pick(kCloth, shot.shirt);
  face.frame = shot.glasses_style < 0.5F ? Color{0.13F, 0.12F, 0.14F} : Color{0.42F, 0.24F, 0.14F};
  face.accent = pick(std::array{Color{0.86F, 0.22F, 0.36F}, Color{0.93F, 0.52F, 0.65F},
                                Color{0.55F, 0.36F, 0.72F}, Color{0.95F, 0.75F, 0.30F}},
                     person.eye_color);
}

template <class Struct>
Struct draw_fields(const RandomKey& key) {
  Struct drawn;
  static_assert(sizeof(Struct) % sizeof(float) == 0);
  std::array<float, sizeof(Struct) / sizeof(float)> fields;
  for (std::size_t i = 0; i < fields.size(); ++i) fields[i] = random_uniform(key, i);
  drawn = std::bit_cast<Struct>(fields);
  return drawn;
}

}  // namespace

Person draw_person(std::uint64_t seed, std::uint64_t subject) {
  return draw_fields<Person>({seed, RandomPurpose::kSynthFace, (std::uint64_t{1} << 32) + subject});
}

Shot draw_shot(std::uint64_t seed, std::uint64_t face) {
  return draw_fields<Shot>({seed, RandomPurpose::kSynthFace, face});
}

Face describe(const Labels& labels, const Person& person, const Shot& shot) {
  const auto& range = kYears[static_cast<std::size_t>(labels.age)];
  const float years = range[0] + person.years * (range[1] - range[0]);
  Face face;
  describe_skin(face, person, years);
  describe_bones(face, labels, person, years);
  describe_eyes(face, labels, person, shot, years);
  describe_nose_and_mouth(face, labels, person, shot, years);
  describe_hair(face, labels, person, years);
  describe_beard(face, labels, person, years);
  describe_extras(face, person, shot);
  face.yaw = 0.07F * centred(shot.yaw);
  face.tilt = 0.14F * centred(shot.tilt);
  face.scale = 1 + 0.09F * centred(shot.scale);
  face.shift_x = 0.07F * centred(shot.shift_x);
  face.shift_y = 0.05F * centred(shot.shift_y);
  face.marks = static_cast<std::uint64_t>(person.skin * 0x1p24F);
  return face;
}

}  // namespace fovea::synth
