"""A view's score as nats of its own tail, so that views of different units can be added.

−log of the share of training rows that score higher, between quantile knots; beyond the 98th percentile an
exponential tail with the mean excess as its scale, so that no two high scores tie. Training rows are contaminated:
the map says how rare a score was among them, not among normal rows; `thresholds.py` makes the promise.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray
from detectors.compiled import compiled

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
        flat = self.scale <= 0.0
        slope = 1.0 / self.scale if not flat else float(len(self.scores) == 1)
        nats: FloatArray = np.empty(len(scores))
        _apply(np.ascontiguousarray(scores, dtype=np.float64), self.scores, self.nats, slope, nats)
        return nats


@compiled
def _apply(scores_B: FloatArray, knots: FloatArray, nats: FloatArray, slope: float, out_B: FloatArray) -> None:
    """Straight lines between knots, the first knot's nats below them, a line of its own slope above, in one pass."""
    last = len(knots) - 1
    for i in range(len(scores_B)):
        score = scores_B[i]
        if score >= knots[last]:
            out_B[i] = nats[last] + (score - knots[last]) * slope
        elif score > knots[0]:
            low, high = 0, last
            while high - low > 1:
                middle = (low + high) // 2
                if knots[middle] <= score:
                    low = middle
                else:
                    high = middle
            share = (score - knots[low]) / (knots[low + 1] - knots[low])
            out_B[i] = nats[low] + share * (nats[low + 1] - nats[low])
        elif score <= knots[0]:
            out_B[i] = nats[0]
        else:
            out_B[i] = np.nan
