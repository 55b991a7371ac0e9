"""Does `auto` choose what labels would? On every table of adbench: choices by injected anomalies, held to the labels.

Each table is split 70/30 by its protocol (at most 4,000 rows are learned from, 2,000 scored); the choice sees the 70 %
without labels, and each candidate is held against the labels of the 30 %. Tables too small to choose on are left out.
"""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from sklearn.model_selection import train_test_split

from detectors import auto
from detectors.columns import Kind, Role, make_field
from detectors.evaluation import auroc, average_precision, timed_scores
from detectors.registry import detector_class

MOST_LEARNED, MOST_SCORED, MOST_COLUMNS = 4_000, 2_000, 600
SECONDS = 5.0
Figures = dict[str, tuple[float, float]]
"""Label AUROC and average precision by candidate."""


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the tables. True: there is no limit to miss."""
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("auto: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    paths = sorted((Path(folder) / "adbench").glob("*.parquet"))
    names = auto.available()
    table = Table("set: chosen", *names, title="label AUROC / average precision")
    chosen: list[tuple[float, float]] = []
    all_figures: list[Figures] = []
    agreements: list[float] = []
    for path in paths[::6] if quick else paths:
        outcome = _measure(path, names)
        if outcome is None:
            continue
        choice, figures = outcome
        table.add_row(f"{path.stem}: {choice.chosen}", *(f"{a:.3f} / {p:.3f}" for a, p in figures.values()))
        chosen.append(figures[choice.chosen])
        all_figures.append(figures)
        agreements.append(_agreement(choice, figures))
    console.print(table)
    summary = Table("chosen by", "AUROC", "average precision")
    _row(summary, "auto", chosen)
    for name in names:
        _row(summary, f"always {name}", [figures[name] for figures in all_figures])
    _row(summary, "chance", [tuple(np.mean(list(figures.values()), axis=0)) for figures in all_figures])
    _row(summary, "labels (the most there is)", [max(f.values(), key=lambda pair: pair[1]) for f in all_figures])
    console.print(summary)
    console.print(
        f"rank correlation of average precision on injected anomalies and on labels: {np.nanmean(agreements):.2f} "
        f"(mean over {len(agreements)} tables)"
    )
    return True


def _row(table: Table, name: str, pairs: list[tuple[float, float]]) -> None:
    ranking, precision = np.mean(pairs, axis=0)
    table.add_row(name, f"{ranking:.3f}", f"{precision:.3f}")


def _measure(path: Path, names: tuple[str, ...]) -> tuple[auto.Choice, Figures] | None:
    rows = pq.read_table(path)
    truth = np.asarray(rows["label"].to_numpy()) != 0
    rows = rows.drop_columns(["label"])
    if rows.num_columns > MOST_COLUMNS:
        return None
    learned, scored = train_test_split(np.arange(len(truth)), test_size=0.3, random_state=0, stratify=truth)
    learned = np.random.default_rng(0).permutation(learned)[:MOST_LEARNED]
    scored = scored[:MOST_SCORED]
    known, later = _features(rows, learned), _features(rows, scored)
    if known.num_rows < auto.LEAST_ROWS:
        return None
    choice = auto.choose(known, time_budget_seconds=SECONDS * 2 * len(names))
    figures: Figures = {}
    for name in names:
        detector = detector_class(name)(seed=0, time_budget_seconds=SECONDS)  # type: ignore[call-arg]
        detector.fit(known)
        scores, _ = timed_scores(detector, later)
        figures[name] = auroc(scores, truth[scored]), average_precision(scores, truth[scored])
    return choice, figures


def _features(rows: pa.Table, places: npt.NDArray[np.int64]) -> pa.Table:
    fields = [make_field(name, Kind.NUMERIC, [Role.FEATURE]) for name in rows.column_names]
    taken = rows.take(pa.array(places))
    return pa.table([taken[field.name].cast(field.type) for field in fields], schema=pa.schema(fields))


def _agreement(choice: auto.Choice, figures: Figures) -> float:
    injected = {candidate.name: candidate.mean_average_precision for candidate in choice.candidates}
    return float(spearmanr([injected[name] for name in figures], [p for _, p in figures.values()])[0])
