"""One contender on one table under one seed: fit, draw, measure. Runs in a process of its own, on one core.

CPU seconds are those of the process for everything from the Arrow table to the fitted generator, encoding included.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.synthesis_sets import NUMERIC, SMALL, SplitTable, split_table
from synth.autoregressive.generator import Order
from synth.base import Generator
from synth.chunks import chunks
from synth.fidelity import c2st, c2st_strong, column_shapes, pair_trends, utility
from synth.gan.generator import Config as GanConfig
from synth.gan.generator import GanGenerator
from synth.privacy.copies import near_copies
from synth.registry import generator_class

CEILING, ADVERSARIAL, PAIRWISE = "real half", "gan, adversarial", "gan, pairwise"
CONTENDERS = (CEILING, "independent", "autoregressive", "vae", PAIRWISE, ADVERSARIAL)
TIMED_ROWS = 131_072
BUDGET_SECONDS = 3_600.0
"""Far above what is needed: settings end a fit, not the clock."""
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to do."""

    folder: Path
    table: str
    contender: str
    seed: int


def run_job(job: Job) -> Figures:
    """The contender's figures; NaN where one has no meaning for it."""
    import torch

    torch.set_num_threads(1)
    split = split_table(job.folder, job.table, job.seed)
    if job.contender == CEILING:
        return _ceiling(split, job.seed)
    generator = _generator(job.contender, job.seed)
    began = time.process_time()
    generator.fit(split.train, label=split.label)
    fit_seconds = time.process_time() - began
    rows = max(split.train.num_rows, 2 * split.test.num_rows)
    figures = _measured(split, _drawn(generator, rows, job.seed), job.seed)
    figures |= {"cpu_seconds": fit_seconds, "rows_per_second": _rate(generator)}
    if job.contender == "autoregressive":
        figures["random_order"] = c2st(split.test, _in_random_order(generator, split), seed=job.seed)
    return figures


def _generator(contender: str, seed: int) -> Generator:
    settings: dict[str, Any] = {"seed": seed, "time_budget_seconds": BUDGET_SECONDS}
    if contender in (PAIRWISE, ADVERSARIAL):
        config = GanConfig() if contender == PAIRWISE else replace(GanConfig(), pairwise=0.0)
        return GanGenerator(config=config, **settings)
    return generator_class(contender)(**settings)


def _in_random_order(generator: Generator, split: SplitTable) -> pa.Table:
    tensors, document = generator.state()
    settings = {**document["model"], "order": Order.RANDOM.value}
    loaded = type(generator).from_state(tensors, {**document, "model": settings})
    return loaded.sample(split.test.num_rows, seed=11)


def _ceiling(split: SplitTable, seed: int) -> Figures:
    """One half of the training rows in the place of synthetic ones, the other in that of training rows."""
    order = np.random.default_rng([seed, 3]).permutation(split.train.num_rows)
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    other = SplitTable(split.name, split.label, split.train.take(halves[0]), split.test)
    return _measured(other, split.train.take(halves[1]), seed)


def _measured(split: SplitTable, made: pa.Table, seed: int) -> Figures:
    few = made.slice(0, split.test.num_rows)
    copies = near_copies(split.train, split.test, few, seed=seed)
    real = utility(split.train, split.test, label=split.label, seed=seed)
    found = utility(made.slice(0, split.train.num_rows), split.test, label=split.label, seed=seed)
    return {
        "c2st": c2st(split.test, few, seed=seed),
        "strong": c2st_strong(split.train, split.test, made, seed=seed),
        "shape": float(np.mean(list(column_shapes(split.test, few).values()))),
        "trend": pair_trends(split.test, few, seed=seed).mean,
        "tstr": found,
        "behind": real - found,
        "near": 100.0 * copies.synthetic,
        "near_held_out": 100.0 * copies.held_out,
    }


def _drawn(generator: Generator, rows: int, seed: int) -> pa.Table:
    return pa.concat_tables(list(chunks(generator, rows, seed=seed + 1_000))).combine_chunks()


def _rate(generator: Generator) -> float:
    """Rows a CPU second, decoding included: the better of two."""
    seconds = []
    for seed in (1, 2):
        began = time.process_time()
        for _ in chunks(generator, TIMED_ROWS, seed=seed):
            pass
        seconds.append(time.process_time() - began)
    return TIMED_ROWS / min(seconds)


def jobs(folder: Path, tables: tuple[str, ...], seeds: tuple[int, ...]) -> list[Job]:
    """Every contender on every table; on the numeric and the small one only those whose figures are limited there."""
    few = (CEILING, "independent", "autoregressive", "vae")
    return [
        Job(folder, table, contender, seed)
        for seed in seeds  # outermost: what was printed when a run is cut short is whole seeds
        for table in tables
        for contender in (few if table in (NUMERIC, SMALL) else CONTENDERS)
    ]
