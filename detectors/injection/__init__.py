"""Anomalies of known kind and place, put into real rows: for choosing, gates, training and tests."""

from detectors.injection.inject import inject
from detectors.injection.plan import (
    AnomalyKind,
    Family,
    Plan,
    Purpose,
    families_for,
    possible_families,
    seed_for,
)
from detectors.injection.truth import AnomalyEvent, Injected, Truth

__all__ = [
    "AnomalyEvent",
    "AnomalyKind",
    "Family",
    "Injected",
    "Plan",
    "Purpose",
    "Truth",
    "families_for",
    "inject",
    "possible_families",
    "seed_for",
]
