"""Labelled anomalies in generated rows, or in real ones that are replayed."""

from synth.anomalies.inject import TRUTH_FIELDS, next_event, refuse_impossible, with_anomalies
from synth.anomalies.request import AnomalyRequest, parse_anomalies

__all__ = [
    "TRUTH_FIELDS",
    "AnomalyRequest",
    "next_event",
    "parse_anomalies",
    "refuse_impossible",
    "with_anomalies",
]
