"""Membership inference: can someone who knows a row tell from the synthetic rows that it was trained on?

The attack of DOMIAS (van Breugel et al. 2023): a row is taken for a training row where synthetic rows lie denser around
it than real rows do that were not trained on, log p_synthetic(x) − log p_reference(x). Departure: densities are by the
distance to the nearest row of either set (`distances.py`), not by kernels or flows, which mixed columns do not allow.

Half of the held-out rows are the reference, the other half the rows to be told from as many training rows. An AUC of
.5 is a guess; a table of the training rows themselves gives nearly 1. It sees copying of single rows, not what a
stronger attacker with many generators of his own might find: a bound on the leak from below.

Shape legend: N rows.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synth.fidelity.frames import Frame, frames
from synth.fidelity.intervals import NOT_KNOWN, area_with_error, around
from synth.privacy.distances import Space, nearest

MOST_CANDIDATES = 3_000
"""Training rows, and as many held-out rows, that are guessed at."""
MOST_ROWS = 20_000
"""Of synthetic rows and of the reference, a seeded choice of more."""
_LEAST = 10
_SOFTENING = 1e-3
"""Added to distances, so that one equal row among many equal ones is no proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How well training rows are told from rows that were not trained on."""

    auc: float
    """0.5 is a guess; NaN with fewer than 20 held-out rows."""
    low: float
    high: float
    floor: float
    """The same attack on training rows with every column shuffled by itself: what the values alone betray (where keys
    were held out, say, and a key has shops of its own), without any row being remembered."""
    candidates: int
    """Rows guessed at, half of them training rows."""

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        return {k: None if math.isnan(value) else value for k, value in asdict(self).items()}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Membership":
        """What `document` wrote."""
        figures = ("auc", "low", "high", "floor")
        known = {k: NOT_KNOWN if document[k] is None else float(document[k]) for k in figures}
        return cls(**known, candidates=document["candidates"])


def membership(real_train: pa.Table, held_out: pa.Table, synthetic: pa.Table, *, seed: int = 0) -> Membership:
    """The attack on `synthetic`, made from `real_train`, by someone who has real rows like `held_out`."""
    return membership_of(*frames(real_train, held_out, synthetic), seed=seed)


def membership_of(train: Frame, held_out: Frame, synthetic: Frame, *, seed: int = 0) -> Membership:
    """As `membership`, of frames encoded together."""
    count = min(held_out.rows // 2, train.rows, MOST_CANDIDATES)
    if count < _LEAST:
        return Membership(auc=NOT_KNOWN, low=NOT_KNOWN, high=NOT_KNOWN, floor=NOT_KNOWN, candidates=0)
    outside = held_out.shuffled(seed)
    strangers = outside.take(np.arange(count))
    reference = outside.take(np.arange(count, outside.rows)).at_most(MOST_ROWS, seed)
    space, asked = Space.of(train), (train.at_most(count, seed), strangers)
    real = [np.log(nearest(space, rows, reference) + _SOFTENING) for rows in asked]
    rows = min(synthetic.rows, train.rows, MOST_ROWS)
    made = [synthetic.at_most(MOST_ROWS, seed), train.at_most(rows, seed + 1).apart(seed)]
    (area, error), (floor, _) = (
        area_with_error(
            np.concatenate(
                [r - np.log(nearest(space, rows, m) + _SOFTENING) for r, rows in zip(real, asked, strict=True)]
            ),
            np.repeat([True, False], count),
        )
        for m in made
    )
    score = around(area, error)
    return Membership(auc=area, low=score.low, high=score.high, floor=floor, candidates=2 * count)
