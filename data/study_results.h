// The result table of a study as HTML, for a report page (report_style.h has its style).
#pragma once

#include <string>
#include <vector>

#include "engine/study/result_table.h"

namespace fovea {

// A card per target: our number, below it the paper's and the difference.
[[nodiscard]] std::string study_results_html(const std::vector<study::ResultTable>& tables,
                                             const std::string& paper_source);

}  // namespace fovea
