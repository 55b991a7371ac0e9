"""The look of the report: light and dark, narrow and wide, on paper. Text contrasts are AA (4.5 to 1) or better."""

STYLE = """
:root { color-scheme: light dark;
  --ink: #1b2026; --quiet: #525b66; --paper: #ffffff; --band: #f3f5f7; --rule: #c9ced5;
  --real: #1f5fa9; --made: #a84a05; --good: #17652f; --good-band: #e6f4ea; --bad: #a1161d; --bad-band: #fdecec; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8ebee; --quiet: #a9b2bc; --paper: #15181c; --band: #1f242a; --rule: #424a53;
  --real: #7db4f2; --made: #f2a45c; --good: #86d69b; --good-band: #14301d; --bad: #ff9a97; --bad-band: #3d1517; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--rule); padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--real); }
.skip { position: absolute; left: -999rem; } .skip:focus { position: static; }
.quiet { color: var(--quiet); font-size: .9rem; }
.verdict { padding: .9rem 1.1rem; border-left: .45rem solid; border-radius: .3rem; margin: 1rem 0; }
.verdict p { font-size: 1.15rem; font-weight: 600; margin: 0; }
.passed { background: var(--good-band); border-color: var(--good); } .passed p { color: var(--good); }
.failed { background: var(--bad-band); border-color: var(--bad); } .failed p { color: var(--bad); }
.verdict ul { margin: .5rem 0 0; padding-left: 1.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: .2rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; } td.number { white-space: nowrap; }
th[scope=row] { font-weight: 500; min-width: 9rem; max-width: 26rem; overflow-wrap: break-word; }
th .quiet { display: block; font-weight: 400; min-width: 13rem; }
.key span { display: inline-block; width: 1.6rem; height: .8rem; margin: 0 .3rem 0 .8rem; vertical-align: -.05rem; }
.key .real { background: var(--real); opacity: .55; } .key .made { border: 2px dashed var(--made); }
thead th { background: var(--band); }
td .ok { color: var(--good); } td .no { color: var(--bad); font-weight: 600; }
.scale { position: relative; display: block; width: 9rem; height: .9rem; background: var(--band);
  border: 1px solid var(--rule); border-radius: .2rem; }
.scale i { position: absolute; top: 0; bottom: 0; width: 3px; background: var(--quiet); }
.scale i.ceiling { background: var(--real); } .scale b { position: absolute; top: 1px; bottom: 1px; left: 0;
  background: var(--made); opacity: .75; }
.figures { display: grid; align-items: start; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
.figures.wide { grid-template-columns: repeat(auto-fill, minmax(min(30rem, 100%), 1fr)); }
figure { margin: 0; padding: .7rem; border: 1px solid var(--rule); border-radius: .3rem; break-inside: avoid;
  min-width: 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-size: .85rem; color: var(--quiet); }
details { margin: .6rem 0; } summary { cursor: pointer; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .2rem 1rem; font-size: .92rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 36rem) { body { padding: .8rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
  .scale { width: 4rem; }
  th, td { padding: .3rem .35rem; } }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #444; --paper: #fff; --band: #f3f3f3; --rule: #bbb;
    --real: #1f5fa9; --made: #a84a05; --good: #17652f; --good-band: #fff; --bad: #a1161d; --bad-band: #fff; }
  body { max-width: none; font-size: 11pt; padding: 0; } .skip, nav { display: none; } h2 { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary { list-style: none; break-after: avoid; } .key, caption { break-after: avoid; } .scroll { overflow: visible; }
  table { font-size: 9pt; } td, th { overflow-wrap: break-word; min-width: 0; padding: .15rem .4rem; }
  th[scope=row], th .quiet { min-width: 0; } td.number { white-space: normal; } tr { break-inside: avoid; }
  thead { display: table-header-group; } .scale { width: 5rem; }
  figure svg, .scale, .key span { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
@page { size: A4; margin: 14mm; }
"""
