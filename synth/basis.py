"""What neighbouring classes of an ordered column share: smooth functions of where a class lies.

A range's embedding and its output weights are combinations of a few smooth functions, so that what is learned of one
range holds for its neighbours: fine ranges then cost little where rows are few.

Shape legend: K classes, R functions.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

FloatArray = npt.NDArray[np.float64]
BUMPS = 12
FUNCTIONS = BUMPS + 3


def smooth_basis(position_K: FloatArray | None, classes: int) -> npt.NDArray[np.float32]:
    """(K, R): bumps along the column, a line, a normal score, and a constant; zeros for classes without a place."""
    basis_KR = np.zeros((classes, FUNCTIONS), dtype=np.float32)
    if position_K is None:
        return basis_KR
    placed = ~np.isnan(position_K)
    at_K = position_K[placed]
    centres = np.linspace(0.0, 1.0, BUMPS)
    bumps = np.exp(-0.5 * ((at_K[:, None] - centres) * (BUMPS - 1) / 1.0) ** 2)
    line = (at_K - 0.5) * 3.46
    score = np.clip(_normal_score(at_K), -3.0, 3.0)
    basis_KR[placed] = np.concatenate([bumps, line[:, None], score[:, None], np.ones((len(at_K), 1))], axis=1)
    return basis_KR


def _normal_score(u: FloatArray) -> FloatArray:
    return np.asarray(ndtri(np.clip(u, 1e-4, 1.0 - 1e-4)), dtype=np.float64)
