// Names of the study's models, [target]_[start]_[net][_alignment], and where each stands in the
// result table of Lapuschkin et al. 2017: rows "[i,n]", columns by net.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace fovea::study {

struct ModelName {
  std::string target;     // age | gender
  std::string start;      // fromscratch | finetuning | imdbwiki
  std::string net;        // net_definitions | caffereference | googlenet | vgg16
  std::string alignment;  // aligned | unaligned | mixed: of the training images
};

inline constexpr std::array<std::string_view, 4> kNets{"net_definitions", "caffereference",
                                                       "googlenet", "vgg16"};
inline constexpr std::array<std::string_view, 3> kStarts{"fromscratch", "finetuning", "imdbwiki"};
inline constexpr std::array<std::string_view, 3> kAlignments{"aligned", "unaligned", "mixed"};

// Nothing for a name that is not one of the study's. AdienceNet always starts from scratch:
// "age_net_definitions_mixed".
[[nodiscard]] std::optional<ModelName> parse_model_name(std::string_view name);

// "AdienceNet" for net_definitions.
[[nodiscard]] std::string net_title(std::string_view net);
// "[m,n]": images in-plane aligned (i), rotated only (r) or both (m); starting from scratch (.),
// from ImageNet weights (n) or from those trained on IMDB-WIKI, too (w).
[[nodiscard]] std::string row_label(std::string_view alignment, std::string_view start);

// Mixed models are tested on the unaligned images, as in the study; others on what they know.
[[nodiscard]] std::string test_alignment(const std::string& training_alignment);

}  // namespace fovea::study
