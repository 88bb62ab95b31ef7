// The style sheet of report pages. Internal to report_page.cc.
#pragma once

#include <string_view>

namespace fovea {

inline constexpr std::string_view kReportStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #f7f7f5; --card: #ffffff; --ink: #1d1d1b; --soft: #6b6a65; --line: #e4e2dc;
  --accent: #2a62c9; --accent-rgb: 42 98 201; --on-accent: #ffffff; --good: #1d7a4a; --bad: #b3401f;
  --mono: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #151514; --card: #1d1d1b; --ink: #eceae5; --soft: #a19f97; --line: #34332f;
    --accent: #7ea6f4; --accent-rgb: 96 142 232; --on-accent: #ffffff; --good: #67c793; --bad: #f0916f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1080px; margin: 0 auto; padding: 56px 24px 64px; }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 10px; }
h2 { font-size: 24px; letter-spacing: -0.01em; margin: 64px 0 4px; padding-top: 28px; border-top: 1px solid var(--line); }
h3 { font-size: 13px; font-weight: 600; margin: 0 0 14px; }
p { margin: 0; }
.lead { font-size: 18px; color: var(--soft); max-width: 62ch; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 22px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin: 32px 0 14px; }
.tile b { display: block; font-size: 32px; line-height: 1.15; letter-spacing: -0.02em; font-weight: 650; margin: 2px 0; }
.tile span { color: var(--soft); font-size: 13px; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px 28px; margin: 0; }
dl.facts dt { color: var(--soft); font-size: 12.5px; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
pre { font: 13px/1.5 var(--mono); margin: 14px 0 0; padding: 14px 22px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; white-space: pre-wrap; overflow-wrap: anywhere; }
pre::before { content: "$ "; color: var(--soft); }
.row { display: grid; grid-template-columns: minmax(0, 1.75fr) minmax(0, 1fr); gap: 14px; margin-top: 14px; align-items: stretch; }
.row.single { grid-template-columns: minmax(0, 1fr); }
.chart { display: block; width: 100%; height: auto; }
.row.single .chart { max-width: 640px; }
.chart text { font-size: 12px; fill: var(--soft); }
.chart .chart-value { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.chart-grid { stroke: var(--line); stroke-width: 1; }
.chart-base { stroke: var(--soft); stroke-width: 1; opacity: 0.55; }
.chart-reference { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
.chart-line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart-raw { fill: none; stroke: var(--accent); stroke-width: 1; opacity: 0.28; stroke-linejoin: round; }
.chart-end { fill: var(--accent); stroke: var(--card); stroke-width: 2; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
.scores td { padding: 9px 0; border-top: 1px solid var(--line); }
.scores tr:first-child td { border-top: 0; padding-top: 0; }
.scores td:last-child { text-align: right; font-weight: 600; white-space: nowrap; padding-left: 12px; }
.scores small { display: block; color: var(--soft); font-size: 12.5px; line-height: 1.35; font-weight: 400; }
.scroll { overflow-x: auto; }
.matrix { border-collapse: separate; border-spacing: 2px; table-layout: fixed; min-width: 640px; }
.matrix.small { width: auto; min-width: 0; table-layout: auto; }
.matrix th { font-weight: 500; color: var(--soft); font-size: 12.5px; padding: 4px 6px; white-space: nowrap; }
.matrix th.side { text-align: right; padding-right: 10px; }
.matrix td { text-align: center; height: 36px; min-width: 52px; border-radius: 4px; font-size: 13px; }
.matrix.small td { min-width: 74px; height: 48px; } .matrix.small td.recall { min-width: 0; }
.matrix td.hit { font-weight: 700; }
.matrix td.zero { color: var(--soft); opacity: 0.6; }
.matrix td.dark { color: var(--on-accent); }
.matrix td.recall { text-align: right; padding: 0 4px 0 14px; white-space: nowrap; }
.axis-note { color: var(--soft); font-size: 12.5px; margin-top: 10px; }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 14px; margin-top: 14px; }
.face { padding: 14px; margin: 0; }
.face .triple { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; }
.face img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 5px; background: var(--line); }
.face img.map { image-rendering: pixelated; }
.face figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 18px; margin-top: 10px; font-size: 14px; }
.face figcaption span > i { font-style: normal; color: var(--soft); font-size: 12.5px; margin-right: 5px; }
.face .score { margin-left: auto; font-weight: 600; }
.face .right { color: var(--good); } .face .wrong { color: var(--bad); }
.face small { flex-basis: 100%; color: var(--soft); font: 11.5px/1.4 var(--mono); overflow-wrap: anywhere; }
.heads { display: flex; justify-content: space-between; align-items: flex-end; gap: 24px; flex-wrap: wrap; margin: 34px 0 0; }
.heads h3 { margin: 0 0 2px; }
.legend { font-size: 12.5px; color: var(--soft); min-width: 260px; }
.legend .bar { height: 10px; border-radius: 5px; margin-bottom: 4px; border: 1px solid var(--line); }
.legend .ends { display: flex; justify-content: space-between; }
.results { margin: 4px 0 0; table-layout: fixed; }
.results th { color: var(--soft); font-weight: 500; font-size: 13px; text-align: right; padding: 0 10px 8px; }
.results th:first-child { width: 64px; text-align: left; padding-left: 0; }
.results td { border-top: 1px solid var(--line); text-align: right; vertical-align: top; padding: 9px 10px; line-height: 1.4; }
.results td:first-child { text-align: left; font: 13px/1.55 var(--mono); padding-left: 0; }
.results td b { font-weight: 650; white-space: nowrap; }
.results td small { display: block; color: var(--soft); font-size: 12.5px; }
.results .up { color: var(--good); } .results .down { color: var(--bad); }
.sheet { margin: 14px 0; }
.sheet img { display: block; width: 100%; height: auto; background: #fff; border-radius: 6px; }
footer { margin-top: 56px; padding-top: 18px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media (max-width: 760px) { .row { grid-template-columns: minmax(0, 1fr); } .faces { grid-template-columns: minmax(0, 1fr); } main { padding-top: 32px; } }
@media print { body { background: #fff; } .card, .face, pre { break-inside: avoid; } }
)css";

}  // namespace fovea
