"""How often the rules of promotion are wrong: equal, better and worse challengers on simulated streams.

Every trial is another stream: a champion trained on its first two days, a challenger on the next two, compared on the
fifth with injected anomalies. Promotion by the rule against the champion alone is counted, for several least gains;
the baselines are left aside, since they judge a kind of detector and not a retraining.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from detectors.base import Detector
from detectors.ecod import EcodDetector
from detectors.forest import Config, ForestDetector
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, calibrate
from pipeline.jobs.train import score_table
from pipeline.jobs.training_data import milliseconds
from pipeline.lifecycle.comparison import CHALLENGER, CHAMPION, Competitor, compare
from pipeline.lifecycle.verdict import Compared, decide
from tests.pipeline.lifecycle.making import DAY_MS, START_MS, archived, readings, stream_of_readings

TRIALS, QUICK_TRIALS = 30, 4
GAINS = (0.0, 0.01, 0.02)
MOST_EQUAL_PROMOTED = 0.05
Make = Callable[[int], Detector]
Tables = tuple[pa.Table, pa.Table]
Spoil = Callable[[pa.Table, int], pa.Table]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of challenge."""

    name: str
    champion: Make
    challenger: Make
    wanted: bool | None
    """Whether it should be promoted; None where either is right."""
    spoil_champion: Spoil = lambda table, seed: table
    spoil_challenger: Spoil = lambda table, seed: table
    shifted: bool = False
    """The stream shifts after the champion's two days."""


def few(rows: int) -> Spoil:
    """A small sample."""
    return lambda table, seed: table.take(np.random.default_rng(seed).permutation(table.num_rows)[:rows])


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    """Every column in an order of its own: what goes together no longer does."""
    rng = np.random.default_rng(seed)
    columns = [table[name].take(pa.array(rng.permutation(table.num_rows))) for name in table.column_names]
    return pa.table(columns, schema=table.schema)


def forest(trees: int) -> Make:
    """A forest of so many trees."""
    return lambda seed: ForestDetector(seed=seed, config=Config(trees=trees))


def pca(seed: int) -> Detector:
    """PCA."""
    return PcaDetector(seed=seed)


CASES = (
    Case("equal: PCA, other days", pca, pca, False),
    Case("equal: forest, other days and seed", forest(100), forest(100), False),
    Case("equal: ECOD, other days", lambda s: EcodDetector(seed=s), lambda s: EcodDetector(seed=s), False),
    Case("a little better: 100 trees for 10", forest(10), forest(100), None),
    Case("better: PCA for forest", forest(100), pca, True),
    Case("better: 3,000 rows for 60", pca, pca, True, spoil_champion=few(60)),
    Case("better after a shift: PCA", pca, pca, True, shifted=True),
    Case("better after a shift: forest", forest(100), forest(100), True, shifted=True),
    Case("worse: columns shuffled", pca, pca, False, spoil_challenger=shuffled),
    Case("worse: 60 rows", pca, pca, False, spoil_challenger=few(60)),
)


def run(console: Console, *, quick: bool = False) -> bool:
    """Prints one table; False where an equal challenger is promoted more often than is allowed."""
    trials = QUICK_TRIALS if quick else TRIALS
    table = Table(title=f"promoted, of {trials} challengers", box=None)
    for column in ("case", *(f"gain above {gain:g}" for gain in GAINS), "mean gain in AP", "95 % interval's width"):
        table.add_column(column, justify="left" if column == "case" else "right")
    kept = True
    for case in CASES:
        found = [trial(case, seed) for seed in range(trials)]
        shares = [np.mean([decide(one, least_gain=gain).promoted for one in found]) for gain in GAINS]
        gains = [one.over_champion for one in found if one.over_champion is not None]
        width = float(np.mean([gain.high - gain.low for gain in gains]))
        mean = float(np.mean([gain.value for gain in gains]))
        table.add_row(case.name, *(f"{share:.0%}" for share in shares), f"{mean:+.3f}", f"{width:.3f}")
        if case.wanted is False and not quick:
            kept &= bool(shares[1] <= MOST_EQUAL_PROMOTED)
    console.print(table)
    return kept


def trial(case: Case, seed: int) -> Compared:
    """One stream, one champion, one challenger."""
    spec = stream_of_readings()
    first = readings(2, seed=1_000 + seed)
    rest = readings(3, start_ms=START_MS + 2 * DAY_MS, seed=5_000 + seed, shifted=case.shifted)
    cut = int(np.searchsorted(milliseconds(rest["time"]), START_MS + 4 * DAY_MS))
    competitors = {
        CHALLENGER: competitor(case.challenger(seed), case.spoil_challenger(rest.slice(0, cut), seed), rest, cut),
        CHAMPION: competitor(case.champion(seed + 77), case.spoil_champion(first, seed), first, None),
    }
    lake = archived(pa.concat_tables([first, rest]))
    done = compare(spec, lake, competitors, start_ms=START_MS + 4 * DAY_MS, end_ms=None, seed=seed, draws=200)
    return done.compared()


def competitor(detector: Detector, learned: pa.Table, whole: pa.Table, cut: int | None) -> Competitor:
    """Fitted on three quarters of its rows where there are many, calibrated on the newest quarter of its days."""
    own = whole.slice(0, cut) if cut is not None else whole
    part = round(0.75 * own.num_rows)
    detector.fit(learned if learned.num_rows <= part // 2 else learned.slice(0, part))
    held_out = own.slice(part)
    times = milliseconds(held_out["time"])
    groups: Sequence[str] = held_out["sensor"].to_pylist()
    threshold = calibrate(
        score_table(detector, held_out),
        budget=Budget(alerts_per_day=20.0),
        times_ms=times,
        groups=groups,
        gap_seconds=stream_of_readings().alerts.group_gap_seconds,
    )
    return Competitor(detector=detector, threshold=threshold)
