"""Severity: how many times rarer than the threshold the worst event is."""

from pipeline.alerts.model import Severity
from pipeline.config import SeveritySpec

ORDER: dict[Severity, int] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
"""From least to most urgent."""


def rarity(tail_probability: float, threshold_probability: float) -> float:
    """How many times rarer than the threshold a row is: infinite where its tail probability is zero."""
    if tail_probability <= 0.0:
        return float("inf")
    return threshold_probability / tail_probability


def severity_of(tail_probability: float, threshold_probability: float, spec: SeveritySpec) -> Severity:
    """The severity of one row. A limit that is reached counts."""
    times_rarer = rarity(tail_probability, threshold_probability)
    if times_rarer >= spec.critical:
        return Severity.CRITICAL
    return Severity.WARNING if times_rarer >= spec.warning else Severity.INFO


def worse(a: Severity, b: Severity) -> Severity:
    """The more urgent of two."""
    return a if ORDER[a] >= ORDER[b] else b


def at_least(severity: Severity, minimum: Severity) -> bool:
    """Whether a severity is as urgent as a minimum."""
    return ORDER[severity] >= ORDER[minimum]
