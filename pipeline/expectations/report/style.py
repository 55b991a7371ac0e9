"""The look of quality pages: that of the reports on synthetic datasets, and what only these pages have.

Text contrasts are AA (4.5 to 1) or better in light, dark and print; marks that say something have 3 to 1 and a shape.
"""

from synth.report.style import STYLE as COMMON

STYLE = (
    COMMON
    + """
.verdict.error { background: var(--bad-band); border-color: var(--bad); } .error p { color: var(--bad); }
.verdict .sign { display: inline-block; min-width: 1.4rem; }
.verdict ul { font-weight: 400; } .verdict li { margin: .15rem 0; overflow-wrap: anywhere; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem .5rem; padding: 0; margin: .5rem 0; }
nav.parts a, nav.streams a { display: inline-block; padding: .2rem .65rem; border: 1px solid var(--rule);
  border-radius: 1rem; text-decoration: none; font-size: .88rem; color: var(--ink); background: var(--band); }
nav.parts a:hover, nav.streams a:hover { border-color: var(--real); text-decoration: underline; }
nav.back { font-size: .9rem; margin-bottom: .8rem; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
:focus-visible { outline: 3px solid var(--real); outline-offset: 2px; border-radius: .15rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(10rem, 46%), 1fr)); gap: .6rem;
  margin: 1rem 0; }
.facts > div { border: 1px solid var(--rule); border-radius: .3rem; padding: .5rem .7rem; min-width: 0; }
.facts dt { font-size: .8rem; } .facts dd { font-size: 1.1rem; font-variant-numeric: tabular-nums; margin: 0; }
.facts dd .quiet { display: block; font-size: .8rem; overflow-wrap: anywhere; }
.notes { color: var(--quiet); font-size: .92rem; margin: .6rem 0; padding-left: 1.3rem; }
.cards { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(27rem, 100%), 1fr)); }
.card { border: 1px solid var(--rule); border-left: .3rem solid var(--bad); border-radius: .3rem;
  padding: .7rem .9rem; min-width: 0; break-inside: avoid; }
.card.warning { border-left-color: var(--made); }
.card h3 { display: flex; flex-wrap: wrap; gap: .1rem .6rem; align-items: baseline; justify-content: space-between; }
.card .reason { font-weight: 600; overflow-wrap: anywhere; }
.card .range { margin-left: 7.2rem; width: calc(100% - 7.2rem); }
.card dl { grid-template-columns: 6.2rem 1fr; margin: .5rem 0 0; }
.card dd { overflow-wrap: anywhere; }
.badge { font-size: .78rem; font-weight: 600; white-space: nowrap; color: var(--bad); }
.badge.warning { color: var(--made); } .badge.ok { color: var(--good); } .badge.none { color: var(--quiet); }
.value { font-family: ui-monospace, "SFMono-Regular", Consolas, monospace; font-size: .88em; background: var(--band);
  border: 1px solid var(--rule); border-radius: .2rem; padding: 0 .3rem; overflow-wrap: anywhere; }
.values { display: flex; flex-wrap: wrap; gap: .3rem; }
.strip { list-style: none; display: flex; flex-wrap: wrap; gap: 3px; padding: 0; margin: .5rem 0; }
.strip a, .strip span.mark { display: flex; align-items: center; justify-content: center; width: 26px; height: 26px;
  border-radius: .2rem; border: 1px solid currentColor; text-decoration: none; font-size: .85rem; line-height: 1; }
.strip .passed { color: var(--good); background: var(--good-band); }
.strip .failed, .strip .error { color: var(--bad); background: var(--bad-band); font-weight: 700; border-width: 2px; }
.strip span.mark:not(.now) { border-style: dashed; } .strip .now { outline: 3px solid var(--ink); outline-offset: 1px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.key .line { background: none; border: 2px solid var(--made); } .key .hatch { background: repeating-linear-gradient(
  45deg, var(--made) 0 2px, transparent 2px 5px); border: 1px solid var(--made); }
.key .fill { background: var(--real); opacity: .4; }
.key .band { background: color-mix(in srgb, var(--ink) 10%, transparent); border: 1px solid var(--quiet); }
.key .bar { background: var(--real); opacity: .75; } .key .noise { width: 3px; background: var(--ink); }
.chart text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--quiet);
  font-variant-numeric: tabular-nums; }
.chart text.strong { fill: var(--ink); font-weight: 700; } .chart text.figure { fill: var(--ink); }
.chart .reference { fill: var(--real); fill-opacity: .4; } .chart .observed { fill: none; stroke: var(--made);
  stroke-width: 1.8; stroke-linejoin: round; }
.chart .hatched { fill: url(#hatch); stroke: var(--made); stroke-width: 1; }
.chart .axis, .range .axis { stroke: var(--quiet); stroke-width: 1; }
.chart .grid { stroke: var(--rule); stroke-width: .6; }
.chart .bar, .recall .bar { fill: var(--real); fill-opacity: .75; } .chart .bar.bad { fill: var(--bad);
  fill-opacity: 1; }
.chart .expected { fill: var(--ink); fill-opacity: .1; } .chart .limit { stroke: var(--ink); stroke-width: 1.2; }
.chart .band, .range .band { fill: var(--good); fill-opacity: .25; }
.chart .noise { stroke: var(--ink); stroke-width: 2; } .chart .mark, .range .mark { fill: var(--bad); }
.range .fits { fill: var(--good); } .range .value { stroke: var(--ink); stroke-width: 2; }
.range { display: block; width: 100%; max-width: 19rem; height: auto; margin: .3rem 0 0; }
.recall { width: 7rem; height: .7rem; } .recall .track { fill: var(--band); stroke: var(--rule); }
.spark { display: block; }
.spark .good { fill: var(--good); } .spark .bad { fill: var(--bad); }
.narrow-only { display: none; }
figure h3 { display: flex; flex-wrap: wrap; gap: .1rem .6rem; justify-content: space-between; align-items: baseline; }
figure.full { margin: .8rem 0; }
summary { padding: .25rem 0; font-weight: 600; }
.whole { white-space: nowrap; }
.reports { list-style: none; padding: 0; margin: .6rem 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
.reports li { display: grid; grid-template-columns: 10.2rem 11.5rem 1fr 6.5rem; gap: .1rem .9rem; padding: .4rem .5rem;
  border-bottom: 1px solid var(--rule); align-items: baseline; break-inside: avoid; }
.reports .count { text-align: right; } .reports .about { min-width: 0; overflow-wrap: anywhere; }
.reports .about .quiet { display: block; } .reports time { white-space: nowrap; }
td { overflow-wrap: break-word; }
section:target > h2, tr:target { background: var(--band); }
main:has(section.stream:target) section.stream:not(:target) { display: none; }
@media (max-width: 36rem) { .wide-only { display: none; } .narrow-only { display: block; }
  .card .range { margin-left: 0; width: 100%; }
  .card dl { grid-template-columns: 1fr; gap: 0; } .card dd { margin-bottom: .4rem; }
  .facts dd { font-size: 1rem; } .reports li { grid-template-columns: 1fr auto; padding: .6rem .2rem; }
  .reports .about { grid-column: 1 / -1; } .reports .count { grid-column: 1 / -1; text-align: left; }
  th[scope=row] { min-width: 7rem; } }
@media print {
  .wide-only { display: block; } .narrow-only { display: none; }
  .verdict { border: 2px solid; border-left-width: .45rem; }
  .figures, .cards { grid-template-columns: repeat(2, 1fr); } .facts { grid-template-columns: repeat(5, 1fr); }
  .facts dd { font-size: .95rem; } .wide-only .chart text { font-size: 13px; }
  .card, .facts > div { break-inside: avoid; }
  .range, .spark, .recall, .strip a, .strip span { print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
  main:has(section.stream:target) section.stream:not(:target) { display: block; }
  a { color: inherit; } }
"""
)
HATCH = (
    '<svg class="hidden" aria-hidden="true" width="0" height="0"><defs><pattern id="hatch" width="5" height="5" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2" height="5" style="fill:var(--made)"/>'
    "</pattern></defs></svg>"
)
"""The hatching that bars of the window are filled with; once a page."""
