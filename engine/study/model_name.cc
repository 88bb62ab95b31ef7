#include "engine/study/model_name.h"

#include <algorithm>

#include "engine/core/error.h"

namespace fovea::study {
namespace {

// Takes `part` and the '_' behind it off the front of `text`.
bool take(std::string_view& text, std::string_view part) {
  if (!text.starts_with(part)) return false;
  const std::string_view rest = text.substr(part.size());
  if (!rest.empty() && (rest[0] != '_' || rest.size() == 1)) return false;
  text = rest.empty() ? rest : rest.substr(1);
  return true;
}

template <std::size_t N>
std::string take_one_of(std::string_view& text, const std::array<std::string_view, N>& parts) {
  for (const std::string_view part : parts) {
    if (take(text, part)) return std::string(part);
  }
  return "";
}

}  // namespace

std::optional<ModelName> parse_model_name(std::string_view name) {
  ModelName model;
  model.target = take_one_of<2>(name, {"age", "gender"});
  model.start = take_one_of(name, kStarts);
  model.net = take_one_of(name, kNets);
  model.alignment = name.empty() ? "aligned" : take_one_of<2>(name, {"unaligned", "mixed"});
  const bool adience = model.net == "net_definitions";
  if (model.target.empty() || model.net.empty() || model.alignment.empty() || !name.empty() ||
      adience != model.start.empty())
    return std::nullopt;
  if (adience) model.start = "fromscratch";
  return model;
}

std::string net_title(std::string_view net) {
  if (net == "net_definitions") return "AdienceNet";
  if (net == "caffereference") return "CaffeNet";
  return net == "googlenet" ? "GoogLeNet" : "VGG16";
}

std::string row_label(std::string_view alignment, std::string_view start) {
  const char images = alignment == "aligned" ? 'i' : alignment == "unaligned" ? 'r' : 'm';
  const char weights = start == "fromscratch" ? '.' : start == "finetuning" ? 'n' : 'w';
  return str('[', images, ',', weights, ']');
}

std::string test_alignment(const std::string& training_alignment) {
  return training_alignment == "mixed" ? "unaligned" : training_alignment;
}

}  // namespace fovea::study
