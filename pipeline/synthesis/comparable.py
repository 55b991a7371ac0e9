"""Whether a dataset under conditions can be held against the real rows that meet them, or only its generator can."""

from dataclasses import dataclass

from pipeline.synthesis.split import Halves
from synth.conditions import Conditions

LEAST_TRAIN, LEAST_HELD_OUT = 400, 100
"""Fewer real rows than this measure nothing that a gate could stand on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparable:
    """What fidelity is measured on."""

    conditioned: bool
    """Whether on the dataset's own rows against the real rows that meet the conditions; else on rows that the same
    generator makes without conditions, against all real rows. Privacy is always measured on the dataset's own."""
    said: str
    """The same in words, for the manifest."""


def comparable(real: Halves, conditions: Conditions, *, seed: int) -> Comparable:
    """What can be compared. Raises ImpossibleConditionsError for a value that a column's type cannot have."""
    # Imported late: measuring brings scikit-learn.
    from synth.fidelity import matching

    if conditions.empty:
        return Comparable(conditioned=True, said="all rows")
    train, held_out = (matching(part, conditions, seed=seed).num_rows for part in (real.train, real.held_out))
    meeting = f"{train:,} rows learned from and {held_out:,} held out that meet the conditions"
    if train >= LEAST_TRAIN and held_out >= LEAST_HELD_OUT:
        return Comparable(conditioned=True, said=meeting)
    few = (
        f"only {meeting}, too few to measure by: the generator was measured without conditions, the dataset for privacy"
    )
    return Comparable(conditioned=False, said=few)
