"""A detector that also learns from what people said of its alerts."""

from detectors.feedback.fitting import fit_with_labels
from detectors.feedback.labels import RowLabels

__all__ = ["RowLabels", "fit_with_labels"]
