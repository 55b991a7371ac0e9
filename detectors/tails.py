"""The upper tail of normal rows' scores, learned from scores that a few per cent of anomalies are among.

Peaks over a threshold (Pickands 1975; for streams Siffer et al. 2017): exceedances of a high quantile follow a
generalized Pareto distribution (GPD). Anomalies in the calibration rows would pass for a heavier tail, or, cut off
with the top few per cent, take the normal tail with them. So exceedances are fitted by expectation-maximisation as
a mixture: a GPD, a lognormal cluster of suspects, and suspects scattered evenly (the noise component of Banfield
and Raftery 1993). It is kept only where it fits far better than the GPD alone, above either of two quantiles (above
one, a hump of the normal rows themselves may start inside the tail); each row then has a probability of being
normal, and everything downstream counts rows by it.

What no method can do without labels: tell a rare kind of normal row from an anomaly. A separate cluster of at most
`LARGEST_SUSPECT_SHARE` of the rows is taken for suspects; anomalies that continue the normal tail without a step are
taken for normal, which raises the threshold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

FloatArray = npt.NDArray[np.float64]

BODY_SHARES = (0.8, 0.9)
"""Quantiles above which scores count as tail; both must tell of suspects."""
LARGEST_SUSPECT_SHARE = 0.1
FIT_ROWS = 3_000
"""Exceedances the mixture is fitted to, evenly spaced in rank where there are more."""
LEAST_GAIN_NATS = 20.0
"""By how much the mixture's log likelihood must beat the GPD's before anyone is suspected."""
SHAPE_RANGE = (-1.0, 0.9)
SHAPE_PRIOR = (0.1, 0.2)
"""Mean and deviation of a normal prior on the GPD's shape: short samples say little about it."""
FIRST_GUESSES = (0.25, 0.05)
"""Shares of the exceedances above the lower quantile that the search starts from."""
LEAST_EXCEEDANCES = 50
LEAST_SPREAD = 0.02
ROUNDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """A generalized Pareto distribution of exceedances: P(Y > y) = (1 + shape · y / scale)^(−1 / shape)."""

    scale: float
    shape: float

    def log_survival(self, y: FloatArray) -> FloatArray:
        """log P(Y > y); −inf beyond the end of a distribution of negative shape."""
        if abs(self.shape) < 1e-6:
            return -y / self.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.maximum(1.0 + self.shape * y / self.scale, 0.0)
            return np.where(inside > 0, -np.log(inside) / self.shape, -np.inf)

    def log_density(self, y: FloatArray) -> FloatArray:
        """log of the density at y ≥ 0."""
        if abs(self.shape) < 1e-6:
            return np.asarray(-y / self.scale - np.log(self.scale), dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.maximum(1.0 + self.shape * y / self.scale, 0.0)
            return np.where(inside > 0, -(1.0 + 1.0 / self.shape) * np.log(inside) - np.log(self.scale), -np.inf)

    def quantile(self, survival: float) -> float:
        """The y with P(Y > y) = survival."""
        if abs(self.shape) < 1e-6:
            return float(-self.scale * np.log(survival))
        return float(self.scale * (survival**-self.shape - 1.0) / self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """Rows among the exceedances that the normal tail does not explain."""

    start: float
    """Scores above it were fitted."""
    normal: Pareto
    cluster_share: float
    scattered_share: float
    """Of the exceedances."""
    center: float
    spread: float
    """Mean and deviation of the cluster's log(exceedance)."""
    reach: float
    """The largest exceedance: scattered suspects lie anywhere below it."""

    @property
    def share(self) -> float:
        """Suspects of the exceedances."""
        return self.cluster_share + self.scattered_share

    def log_densities(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """log density of normal, clustered and scattered exceedances, each times its share."""
        log_y = np.log(np.maximum(y, 1e-12))
        cluster = -0.5 * np.square((log_y - self.center) / self.spread) - log_y
        cluster += np.log(max(self.cluster_share, 1e-12)) - np.log(self.spread * np.sqrt(2.0 * np.pi))
        scattered = np.full(len(y), np.log(max(self.scattered_share, 1e-12) / self.reach))
        return self.normal.log_density(y) + np.log1p(-min(self.share, 0.999)), cluster, scattered

    def normal_weights(self, scores: FloatArray) -> FloatArray:
        """The probability that each row is normal by this fit; 1 below `start`, and never rising with the score."""
        y = scores - self.start
        above = np.flatnonzero(y > 0)
        weights = np.ones(len(scores))
        normal, cluster, scattered = self.log_densities(y[above])
        weights[above] = expit(normal - np.logaddexp(cluster, scattered))
        order = above[np.argsort(y[above])]
        weights[order] = np.minimum.accumulate(weights[order])
        return weights


def fit_pareto(y: FloatArray, weights: FloatArray) -> Pareto:
    """Weighted maximum a posteriori fit by a scan of the profile likelihood (Grimshaw 1993's one-parameter form)."""
    total = max(float(weights.sum()), 1e-12)
    mean = float((weights * y).sum()) / total
    if not mean > 0.0:
        return Pareto(scale=1.0, shape=0.0)
    largest = float(y[weights > 1e-3].max(initial=mean))
    slopes = np.concatenate([-np.linspace(0.98, 0.02, 16) / largest, np.geomspace(1e-2, 30.0, 32) / mean])
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.maximum(1.0 + slopes[:, None] * y, 1e-12))
    shapes = logs @ weights / total
    usable = (shapes > SHAPE_RANGE[0]) & (shapes < SHAPE_RANGE[1]) & (np.abs(shapes) > 1e-9)
    if not usable.any():
        return Pareto(scale=mean, shape=0.0)
    slopes, shapes = slopes[usable], shapes[usable]
    fit = -total * (np.log(shapes / slopes) + shapes + 1.0)
    best = int(np.argmax(fit - 0.5 * np.square((shapes - SHAPE_PRIOR[0]) / SHAPE_PRIOR[1])))
    return Pareto(scale=float(shapes[best] / slopes[best]), shape=float(shapes[best]))


def normal_weights(scores: FloatArray) -> FloatArray:
    """The probability that each row is normal, (N,); all 1 where the scores look like one tail.

    The geometric mean of what the two quantiles' fits say, so that neither alone empties or fills the tail.
    """
    found = [_find_above(scores, body) for body in BODY_SHARES]
    weights = np.ones(len(scores))
    if None in found:
        return weights
    for suspects in found:
        if suspects is not None:
            weights *= suspects.normal_weights(scores)
    return np.sqrt(weights)


def _find_above(scores: FloatArray, body: float) -> Suspects | None:
    start = float(np.quantile(scores, body))
    y = np.sort(scores[scores > start] - start)
    if len(y) < LEAST_EXCEEDANCES:
        return None
    if len(y) > FIT_ROWS:
        y = y[np.linspace(0, len(y) - 1, FIT_ROWS).round().astype(int)]
    alone = float(fit_pareto(y, np.ones(len(y))).log_density(y).sum())
    best, gain = None, LEAST_GAIN_NATS
    limit = LARGEST_SUSPECT_SHARE / (1.0 - body)
    for first_share in FIRST_GUESSES:
        found, log_likelihood = _mixture(y, start, first_share * (1.0 - BODY_SHARES[0]) / (1.0 - body))
        if log_likelihood - alone > gain and found.share <= min(limit, 0.8):
            best, gain = found, log_likelihood - alone
    return best


def _mixture(y: FloatArray, start: float, first_share: float) -> tuple[Suspects, float]:
    """Expectation-maximisation from the guess that the top `first_share` are the suspects."""
    cluster_N = (np.arange(len(y)) >= (1.0 - first_share) * len(y)).astype(np.float64)
    scattered_N = np.full(len(y), 0.01)
    log_y = np.log(np.maximum(y, 1e-12))
    previous = -np.inf
    for _ in range(ROUNDS):
        total = max(float(cluster_N.sum()), 1e-9)
        center = float((cluster_N * log_y).sum()) / total
        spread = float(np.sqrt((cluster_N * np.square(log_y - center)).sum() / total))
        found = Suspects(
            start=start,
            normal=fit_pareto(y, np.clip(1.0 - cluster_N - scattered_N, 0.0, 1.0)),
            cluster_share=float(cluster_N.mean()),
            scattered_share=float(scattered_N.mean()),
            center=center,
            spread=max(spread, LEAST_SPREAD),
            reach=float(y[-1]),
        )
        logs = np.stack(found.log_densities(y))
        total_N = np.logaddexp.reduce(logs, axis=0)
        _, cluster_N, scattered_N = np.exp(logs - total_N)
        log_likelihood = float(total_N.sum())
        if log_likelihood - previous < 1e-2:
            break
        previous = log_likelihood
    return found, log_likelihood
