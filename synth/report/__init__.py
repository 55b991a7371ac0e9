"""The report on a synthetic dataset: a JSON document, and a page made from it that needs nothing else."""

from synth.report.document import document
from synth.report.page import page

__all__ = ["document", "page"]
