#include "engine/train/run_log.h"

#include <cmath>
#include <sstream>

#include "engine/core/file.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::string csv_line(const Json& e) {
  return str(e["iteration"].dump(), ",", e["loss"].dump(), ",", e["lr"].dump(), ",",
             e["accuracy"].dump(), ",", e["images_per_s"].dump(), "\n");
}

}  // namespace

RunLog::RunLog(const fs::path& folder, const Json& description, std::int64_t resumed_at)
    : json_(folder / "log.jsonl"),
      csv_(folder / "log.csv"),
      events_(folder / "events.out.tfevents.fovea", resumed_at) {
  std::string json = description.dump() + "\n", csv = "iteration,loss,lr,accuracy,images_per_s\n";
  if (resumed_at > 0 && fs::exists(json_)) {
    std::istringstream old(read_file(json_));
    std::string line;
    std::getline(old, line);  // the description
    while (std::getline(old, line)) {
      const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!entry.is_object() || entry.value("iteration", resumed_at + 1) > resumed_at) break;
      json += line + "\n";
      csv += csv_line(entry);
    }
  }
  write_file(json_, json);
  write_file(csv_, csv);
}

void RunLog::add(const TrainProgress& p) const {
  const Json entry = {{"iteration", p.iteration},
                      {"loss", p.loss},
                      {"lr", shortest_double(p.lr)},
                      {"accuracy", p.accuracy},
                      {"images_per_s", std::round(p.images_per_s * 10) / 10}};
  append_to_file(json_, entry.dump() + "\n");
  append_to_file(csv_, csv_line(entry));
  const Scalar scalars[] = {{"train/loss", static_cast<float>(p.loss)},
                            {"train/accuracy", static_cast<float>(p.accuracy)},
                            {"train/learning_rate", p.lr},
                            {"train/images_per_s", static_cast<float>(p.images_per_s)}};
  events_.add(p.iteration, scalars);
}

}  // namespace fovea
