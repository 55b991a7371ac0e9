"""How good scores are: figures from labels, and from anomalies that were injected where there are none.

Labels are read here and nowhere else in this package, and only where a caller hands them over.
"""

from detectors.evaluation.families import FamilyFigures, family_figures
from detectors.evaluation.flagging import Delays, at_budget, budget_threshold, detection_delays, label_events
from detectors.evaluation.intervals import Interval, Ranked, bootstrap
from detectors.evaluation.paired import PairedPrecision, paired_precision
from detectors.evaluation.prequential import Replayed, Step, prequential, steps, timed_scores
from detectors.evaluation.ranking import ThresholdFigures, at_threshold, auroc, average_precision

__all__ = [
    "Delays",
    "FamilyFigures",
    "Interval",
    "PairedPrecision",
    "Ranked",
    "Replayed",
    "Step",
    "ThresholdFigures",
    "at_budget",
    "at_threshold",
    "auroc",
    "average_precision",
    "bootstrap",
    "budget_threshold",
    "detection_delays",
    "family_figures",
    "label_events",
    "paired_precision",
    "prequential",
    "steps",
    "timed_scores",
]
