"""Fit and score of every detector at 20 features on one core, beside PyOD's isolation forest and VAE.

Rows are drawn from three groups of correlated numbers; seconds are CPU seconds of one core. Scores are taken batch by
batch at the size a scorer uses. The limits are of the blend: rows a second, and how many times faster than the peers.
"""

import time

import numpy as np
import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from bench.peers.runner import MISSING, peers
from bench.tables import CHAMPION, MOST_FIT_RATIO, OURS
from detectors.columns import Kind, Role, make_field
from detectors.registry import detector_class

FEATURES = 20
TRAIN_ROWS, TEST_ROWS = 20_000, 400_000
PEER_ROWS = 40_000
"""Peers score fewer rows: their rate does not depend on how many."""
BATCH_ROWS = 16_384
ROUNDS = 3
WARM_ROWS = 600
"""Fitted first and not timed: what a process loads and compiles once."""
LEAST_ROWS_PER_SECOND = 400_000.0
FOREST, VAE = "PyOD IForest", "PyOD VAE"
LEAST_TIMES = {FOREST: 3.0, VAE: 8.0}


def run(console: Console, *, quick: bool = False) -> bool:
    """Print one table; False where a limit was missed."""
    torch.set_num_threads(1)
    size = TEST_ROWS // 10 if quick else TEST_ROWS
    rows = _rows(TRAIN_ROWS + size)
    train, test = rows.slice(0, TRAIN_ROWS), rows.slice(TRAIN_ROWS)
    figures = {name: _timed(name, train, test) for name in OURS}
    with peers() as others:
        if others is None:
            console.print(MISSING)
        else:
            x_BD = np.stack([column.to_numpy() for column in rows.columns], axis=1)
            others.score(x_BD[:WARM_ROWS], x_BD[:WARM_ROWS], tuple(LEAST_TIMES))
            made = others.score(x_BD[:TRAIN_ROWS], x_BD[-PEER_ROWS:], tuple(LEAST_TIMES))
            figures |= {name: (one.fit_seconds, PEER_ROWS / one.score_seconds) for name, one in made.items()}
    return _report(console, figures)


def _rows(count: int) -> pa.Table:
    generator = np.random.default_rng(0)
    mix_GDD = generator.normal(size=(3, FEATURES, FEATURES)) / FEATURES**0.5
    centre_GD = generator.normal(size=(3, FEATURES)) * 2.0
    group_B = generator.integers(0, 3, count)
    drawn_BD = generator.normal(size=(count, FEATURES))
    x_BD = np.empty_like(drawn_BD)
    for group in range(3):
        mine = group_B == group
        x_BD[mine] = drawn_BD[mine] @ mix_GDD[group] + centre_GD[group]
    fields = [make_field(f"f{d}", Kind.NUMERIC, [Role.FEATURE]) for d in range(FEATURES)]
    return pa.table([pa.array(column) for column in x_BD.T], schema=pa.schema(fields))


def _timed(name: str, train: pa.Table, test: pa.Table) -> tuple[float, float]:
    """CPU seconds of fit, rows a CPU second of score: the best of some rounds."""
    detector_class(name)().fit(train.slice(0, WARM_ROWS))
    detector = detector_class(name)()
    begun = time.process_time()
    detector.fit(train)
    fit_seconds = time.process_time() - begun
    batches = test.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
    detector.score(batches[0])
    seconds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for batch in batches:
            detector.score(batch)
        seconds.append(time.process_time() - begun)
    return fit_seconds, test.num_rows / min(seconds)


def _report(console: Console, figures: dict[str, tuple[float, float]]) -> bool:
    title = f"{FEATURES} features, {TRAIN_ROWS:,} rows to learn, one core, CPU time"
    table = Table("method", "fit s", "rows scored/s", f"{CHAMPION} is faster", "at least", title=title)
    kept = True
    fit_seconds, rate = figures[CHAMPION]
    for name, (fitted, scored) in figures.items():
        times, least = rate / scored, LEAST_TIMES.get(name)
        kept &= least is None or times >= least
        limit = "" if least is None else f"{least:g} times"
        table.add_row(name, f"{fitted:.2f}", f"{scored:,.0f}", f"{times:.1f} times", limit)
    kept &= rate >= LEAST_ROWS_PER_SECOND
    notes = [f"{CHAMPION} {rate:,.0f} rows/s, at least {LEAST_ROWS_PER_SECOND:,.0f}"]
    if VAE in figures:
        kept &= fit_seconds <= MOST_FIT_RATIO * figures[VAE][0]
        notes.append(f"fitted in {fit_seconds / figures[VAE][0]:.2f} of {VAE}'s time, at most {MOST_FIT_RATIO}")
    table.caption = "; ".join(notes) + (": kept" if kept else ": MISSED")
    console.print(table)
    return bool(kept)
