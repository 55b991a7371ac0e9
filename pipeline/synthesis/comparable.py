"""The real rows that a dataset under conditions is to be like: those that meet the conditions, balanced as it is."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.synthesis.split import Halves
from synth.conditions import Conditions
from synth.streams.requests import fitting

LEAST_TRAIN, LEAST_HELD_OUT = 400, 100
"""Fewer real rows than this measure nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparable:
    """Real rows to hold made ones against."""

    halves: Halves
    conditioned: bool
    """Whether these are the rows that meet the conditions; else so few do that the generator is measured without."""
    said: str
    """What was compared, for the manifest."""


def comparable(real: Halves, conditions: Conditions, *, seed: int) -> Comparable:
    """The rows to measure against. Where too few real rows meet the conditions, all of them: then rows that the same
    generator makes without conditions are to be measured, and the dataset's own for privacy only."""
    if conditions.empty:
        return Comparable(halves=real, conditioned=True, said="all rows")
    train, held_out = (_meeting(part, conditions, seed) for part in (real.train, real.held_out))
    if train.num_rows >= LEAST_TRAIN and held_out.num_rows >= LEAST_HELD_OUT:
        said = f"{train.num_rows:,} rows learned from and {held_out.num_rows:,} held out that meet the conditions"
        return Comparable(halves=Halves(train=train, held_out=held_out), conditioned=True, said=said)
    few = f"only {train.num_rows:,} rows learned from and {held_out.num_rows:,} held out meet the conditions"
    said = f"{few}, too few to measure by: the generator was measured without conditions, the dataset for privacy"
    return Comparable(halves=real, conditioned=False, said=said)


def _meeting(table: pa.Table, conditions: Conditions, seed: int) -> pa.Table:
    table = table.filter(fitting(table, conditions.where)) if conditions.where else table
    return table if conditions.balance is None else _balanced(table, conditions.balance, seed)


def _balanced(table: pa.Table, column: str, seed: int) -> pa.Table:
    """As many rows of every level as the rarest has, drawn without repeating any."""
    codes = table[column].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
    levels, counts = np.unique(codes[codes >= 0], return_counts=True)
    if len(levels) < 2:
        return table.slice(0, 0)
    random = np.random.default_rng(seed)
    least = int(counts.min())
    chosen = [random.permutation(np.flatnonzero(codes == level))[:least] for level in levels]
    return table.take(pa.array(np.sort(np.concatenate(chosen))))
