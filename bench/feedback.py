"""Do verdicts on one row in a hundred pay on rows that nobody judged? The blend with and without them.

The older part of each set is learned from, anomalies left in. One in a hundred of its rows gets its true verdict:
either those with the highest scores (what an operator is shown) or rows drawn at random. Both detectors then score the
newer part, none of which was judged. The recipe was chosen on the sets marked so, on one seed; the others were first
looked at here.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from bench.detection_sets import DetectionSet, fraud, kdd99
from bench.table_sets import adbench
from detectors.base import Detector, FloatArray
from detectors.blend.detector import BlendDetector
from detectors.evaluation import average_precision
from detectors.feedback import RowLabels, fit_with_labels

SEEDS = (0, 1, 2)
SHARE = 0.01
FIT_ROWS, SCORED_ROWS = 20_000, 60_000
KDD_CUT = 0.6
"""The protocol's first 30% of http hold no attack and of smtp one: there is nothing to confirm there."""
FRAUD_JUDGED = 0.5
"""Of the older part, the newer half: before, every key is new and odd by that."""
CHOSEN_ON = ("fraud", "adbench mnist", "adbench campaign", "adbench optdigits", "adbench letter", "adbench fault")
QUICK = ("adbench campaign", "kdd99 smtp")
TABLES = ("campaign", "mnist", "SpamBase", "magic.gamma", "skin", "celeba", "http", "optdigits", "letter", "fault")
WAYS = ("highest", "random")
BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is learned from, judged and scored."""

    data: DetectionSet
    judged_from: int
    """Rows before are learned from and never judged."""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one trial and one way of judging."""

    judged: int
    confirmed: int
    before: float
    after: float
    other_keys: tuple[float, float] | None
    """The same on rows of no key that was judged."""


def trials(folder: Path, *, quick: bool) -> Iterator[tuple[str, Callable[[int], Trial]]]:
    """Each set with its maker by seed."""
    for service in ("http", "smtp"):
        yield f"kdd99 {service}", lambda seed, service=service: _kdd(folder, service)  # type: ignore[misc]
    for table in TABLES:
        path = folder / "adbench" / f"{table}.parquet"
        yield f"adbench {table}", lambda seed, path=path: Trial(adbench(path, split=seed), 0)  # type: ignore[misc]
    if not quick:
        whole = fraud(folder=folder)
        trial = Trial(whole, round(FRAUD_JUDGED * whole.train.num_rows), ("CUSTOMER_ID", "TERMINAL_ID"))
        yield "fraud", lambda seed: trial


def _kdd(folder: Path, service: str) -> Trial:
    one = kdd99(service, folder=folder)
    table = pa.concat_tables([one.train, one.test])
    labels = np.concatenate([one.train_labels, one.test_labels])
    cut = round(KDD_CUT * len(labels))
    return Trial(DetectionSet(one.name, table.slice(0, cut), table.slice(cut), labels[:cut], labels[cut:]), 0)


def _even(rows: Int64Array, most: int) -> Int64Array:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64))]


def _scores(detector: Detector, table: pa.Table) -> FloatArray:
    return np.concatenate([detector.score(b) for b in table.combine_chunks().to_batches(max_chunksize=65_536)])


def measured(trial: Trial, seed: int) -> dict[str, Figures]:
    """Figures by way of judging."""
    train, truth = trial.data.train, trial.data.train_labels
    sample = _even(np.arange(train.num_rows), FIT_ROWS)
    plain = BlendDetector(seed=seed)
    plain.fit(train.take(pa.array(sample)))
    pool = np.arange(trial.judged_from, train.num_rows)
    shown = round(SHARE * len(pool))
    order = np.argsort(-_scores(plain, train.slice(trial.judged_from)), kind="stable")
    ways = {
        "highest": pool[order[:shown]],
        "random": np.random.default_rng(seed).choice(pool, shown, replace=False),
    }
    test = _even(np.arange(trial.data.test.num_rows), SCORED_ROWS)
    scored, test_truth = trial.data.test.take(pa.array(test)), trial.data.test_labels[test]
    before_B = _scores(plain, scored)
    found = {}
    for way, judged in ways.items():
        rows = np.union1d(sample, judged)
        said = np.isin(rows, judged)
        labels = RowLabels(said & truth[rows], said & ~truth[rows])
        taught, _ = fit_with_labels(BlendDetector(seed=seed), train.take(pa.array(rows)), labels)
        after_B = _scores(taught, scored)
        found[way] = Figures(
            judged=shown,
            confirmed=int(truth[judged].sum()),
            before=average_precision(before_B, test_truth),
            after=average_precision(after_B, test_truth),
            other_keys=_other_keys(trial, judged, scored, before_B, after_B, test_truth),
        )
    return found


def _other_keys(
    trial: Trial, judged: Int64Array, scored: pa.Table, before_B: FloatArray, after_B: FloatArray, truth_B: BoolArray
) -> tuple[float, float] | None:
    if not trial.keys:
        return None
    other_B = np.ones(scored.num_rows, np.bool_)
    for key in trial.keys:
        other_B &= ~np.isin(scored[key].to_numpy(), trial.data.train[key].to_numpy()[judged])
    return average_precision(before_B[other_B], truth_B[other_B]), average_precision(after_B[other_B], truth_B[other_B])


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where the sets not chosen on gain on the mean, by what an operator is shown."""
    folder = Path(os.environ["EDDYLINE_DATA"])
    seeds = SEEDS[:1] if quick else SEEDS
    table = Table("set", "", "judged", "confirmed", "AP before", "AP after", "change", "by seed", box=None)
    gains = []
    for name, maker in trials(folder, quick=quick):
        if quick and name not in QUICK:
            continue
        by_seed = [measured(maker(seed), seed) for seed in seeds]
        for way in WAYS:
            figures = [one[way] for one in by_seed]
            _row(table, name, way, figures, [(f.before, f.after) for f in figures])
            if name not in CHOSEN_ON and way == "highest":
                gains.append(float(np.mean([f.after - f.before for f in figures])))
            others = [f.other_keys for f in figures if f.other_keys is not None]
            if others:
                _row(table, name, f"{way}, other keys", figures, others)
        first = by_seed[0]["highest"]
        console.print(f"{name}: {first.before:.3f} to {first.after:.3f} on seed {seeds[0]}")
    console.print(table)
    gain = float(np.mean(gains)) if gains else 0.0
    console.print(f"mean change on sets that nothing was chosen on, highest scores judged: {gain:+.3f}")
    return gain > 0.0


def _row(table: Table, name: str, way: str, figures: list[Figures], pairs: list[tuple[float, float]]) -> None:
    changes = [after - before for before, after in pairs]
    table.add_row(
        f"{name}{' (chosen on)' if name in CHOSEN_ON else ''}",
        way,
        f"{figures[0].judged:,}",
        " ".join(f"{f.confirmed:,}" for f in figures),
        f"{np.mean([before for before, _ in pairs]):.3f}",
        f"{np.mean([after for _, after in pairs]):.3f}",
        f"{np.mean(changes):+.3f}",
        " ".join(f"{change:+.3f}" for change in changes),
    )
