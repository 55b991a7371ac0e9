"""How good scores are: figures from labels, and from anomalies that were injected where there are none.

Labels are read here and nowhere else in this package, and only where a caller hands them over.
"""

from detectors.evaluation.ranking import ThresholdFigures, at_threshold, auroc, average_precision

__all__ = ["ThresholdFigures", "at_threshold", "auroc", "average_precision"]
