"""Generators on public tables: each score beside its ceiling (real rows) and its floor (independent columns).

Every table is cut in two by a shuffle under each seed; figures are means over the seeds. `C2ST` is 2(1 − AUC) of
gradient boosting, 1 where it cannot tell; `random` the same for rows drawn in random orders of columns; `strong`
without early stopping, trained on real training rows. `behind` is how far a classifier trained on synthetic rows stays
behind one trained on real ones (AUROC on held-out real rows). `near` is the share of rows (%) as near to a training row
as the nearest 2 % of held-out ones are. Limits are on the mean of the two mixed tables, and on the other two.
"""

import math
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.synthesis_jobs import ADVERSARIAL, CONTENDERS, PAIRWISE, Figures, Job, jobs, run_job
from bench.synthesis_sets import LABELS, MIXED, NUMERIC, SMALL

SEEDS = (0, 1, 2)
WORKERS = 2
"""One core each: as many as the smallest machine has that these figures are quoted for."""
COLUMNS = {
    "cpu_seconds": ("CPU s", 0),
    "c2st": ("C2ST", 3),
    "random_order": ("random", 3),
    "strong": ("strong", 3),
    "shape": ("shape", 4),
    "trend": ("trend", 4),
    "tstr": ("TSTR", 4),
    "behind": ("behind", 4),
    "near": ("near", 2),
    "near_held_out": ("held out", 2),
    "rows_per_second": ("rows/s", 0),
}
AT_LEAST: dict[str, dict[str, float]] = {
    "autoregressive": {
        "c2st": 0.93, "random_order": 0.90, "strong": 0.92, "shape": 0.988, "trend": 0.977, "rows_per_second": 50_000,
    },
    "vae": {"c2st": 0.80, "strong": 0.70, "shape": 0.985, "trend": 0.970, "rows_per_second": 100_000},
    PAIRWISE: {"c2st": 0.85, "strong": 0.75, "shape": 0.985, "trend": 0.970, "rows_per_second": 40_000},
    ADVERSARIAL: {"c2st": 0.50, "strong": 0.45, "shape": 0.975, "trend": 0.950, "rows_per_second": 40_000},
}  # fmt: skip
AT_MOST: dict[str, dict[str, float]] = {
    "autoregressive": {"cpu_seconds": 120, "behind": 0.010},
    "vae": {"cpu_seconds": 100, "behind": 0.015},
    PAIRWISE: {"cpu_seconds": 200, "behind": 0.020},
    ADVERSARIAL: {"cpu_seconds": 200, "behind": 0.040},
}
ELSEWHERE: dict[str, dict[str, float]] = {
    NUMERIC: {"c2st": 0.90, "random_order": 0.85},
    SMALL: {"c2st": 0.75, "random_order": 0.65},
}
NEAR_BEYOND = 0.5
"""Percent of rows that may be nearer than held-out rows are."""


def run(console: Console, *, quick: bool = False) -> bool:
    """Print one table and the limits; False where one was missed."""
    folder = os.environ.get("EDDYLINE_DATA")
    if folder is None:
        console.print("synthesis: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    tables = (SMALL,) if quick else tuple(LABELS)
    found = _all(console, jobs(Path(folder), tables, SEEDS[:1] if quick else SEEDS))
    means = {(table, name): _mean(found, [table], name) for table in tables for name in CONTENDERS}
    console.print(_table({key: figures for key, figures in means.items() if figures}))
    if quick:
        return True
    return _limits(console, found, means)


def _all(console: Console, wanted: list[Job]) -> dict[Job, Figures]:
    """Every job's figures; said one by one as they come, since the whole takes most of an hour."""
    found: dict[Job, Figures] = {}
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run_job, job): job for job in wanted}
        for done in as_completed(waiting):
            job = waiting[done]
            found[job] = done.result()
            shown = ", ".join(f"{COLUMNS[k][0]} {_shown(k, v)}" for k, v in found[job].items() if k in COLUMNS)
            console.print(f"{len(found)}/{len(wanted)} {job.table}, {job.contender}, seed {job.seed}: {shown}")
    return found


def _mean(found: dict[Job, Figures], tables: Iterable[str], contender: str) -> Figures:
    own = [figures for job, figures in found.items() if job.table in tables and job.contender == contender]
    names = own[0] if own else {}
    return {name: float(np.mean([figures[name] for figures in own])) for name in names}


def _table(means: dict[tuple[str, str], Figures]) -> Table:
    table = Table("table", "generator", *(name for name, _ in COLUMNS.values()), title="synthetic tables")
    for (name, contender), figures in means.items():
        table.add_row(name, contender, *(_shown(key, figures.get(key, math.nan)) for key in COLUMNS))
    return table


def _shown(key: str, value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.{COLUMNS[key][1]}f}"


def _limits(console: Console, found: dict[Job, Figures], means: dict[tuple[str, str], Figures]) -> bool:
    table = Table("where", "generator", "figure", "reached", "limit", "", title="limits")
    kept = True
    for name in AT_LEAST:
        mixed = _mean(found, MIXED, name)
        bounds = [(key, limit, mixed[key] >= limit, "≥") for key, limit in AT_LEAST[name].items()]
        bounds += [(key, limit, mixed[key] <= limit, "≤") for key, limit in AT_MOST[name].items()]
        most = mixed["near_held_out"] + NEAR_BEYOND
        bounds.append(("near", most, mixed["near"] <= most, "≤"))
        kept &= _rows(table, "mean of the mixed", name, mixed, bounds)
    for where, limits in ELSEWHERE.items():
        figures = means[where, "autoregressive"]
        bounds = [(key, limit, figures[key] >= limit, "≥") for key, limit in limits.items()]
        kept &= _rows(table, where, "autoregressive", figures, bounds)
    console.print(table)
    return kept


def _rows(table: Table, where: str, name: str, figures: Figures, bounds: list[tuple[str, float, bool, str]]) -> bool:
    for key, limit, good, sign in bounds:
        title = COLUMNS[key][0]
        table.add_row(where, name, title, _shown(key, figures[key]), f"{sign} {limit:g}", "kept" if good else "MISSED")
    return all(good for _, _, good, _ in bounds)
