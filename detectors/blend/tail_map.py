"""A view's score as nats of its own tail, so that views of different units can be added.

−log of the share of training rows that score higher, between quantile knots; beyond the 98th percentile an
exponential tail with the mean excess as its scale, so that no two high scores tie. Training rows are contaminated:
the map says how rare a score was among them, not among normal rows; `thresholds.py` makes the promise.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray

KNOTS = 64
BODY_SHARE = 0.98


@dataclass(frozen=True, slots=True)
class TailMap:
    """Fitted knots and tail."""

    scores: FloatArray
    """Ascending, up to the body's end."""
    nats: FloatArray
    scale: float
    """Mean excess over the last knot; 0 where every training row scores alike: then the view is silent."""

    @classmethod
    def fit(cls, scores: FloatArray) -> "TailMap":
        """From training scores, (rows,)."""
        ordered = np.sort(scores)
        share = 1.0 - np.exp(-np.linspace(0.0, -np.log(1.0 - BODY_SHARE), KNOTS))
        at = np.unique(np.minimum((share * (len(ordered) - 1)).astype(np.int64), len(ordered) - 1))
        knots = ordered[at]
        first = np.searchsorted(ordered, knots, side="left")
        nats = -np.log((len(ordered) - first + 0.5) / (len(ordered) + 0.5))
        knots, kept = np.unique(knots, return_index=True)
        beyond = ordered[ordered > knots[-1]] - knots[-1]
        scale = float(beyond.mean()) if len(beyond) else 0.0
        if scale <= 0.0 and len(knots) > 1:
            scale = float(knots[-1] - knots[0])
        return cls(knots, nats[kept], scale)

    def apply(self, scores: FloatArray) -> FloatArray:
        """Nats, none negative, (B,)."""
        nats: FloatArray = np.interp(scores, self.scores, self.nats)
        if self.scale > 0.0:
            nats += np.maximum(scores - self.scores[-1], 0.0) / self.scale
        elif len(self.scores) == 1:
            nats += np.maximum(scores - self.scores[0], 0.0)
        return nats
