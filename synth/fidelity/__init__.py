"""How faithful synthetic rows are: each measure beside its ceiling (real held-out rows) and floor (independent
columns)."""

from synth.fidelity.conditional import class_shapes, matching
from synth.fidelity.detection import c2st, c2st_strong
from synth.fidelity.fidelity import SCORES, Fidelity, Item
from synth.fidelity.intervals import Score
from synth.fidelity.measures import measure
from synth.fidelity.rare import RareCoverage, rare_coverage
from synth.fidelity.shapes import column_shapes
from synth.fidelity.trends import PairTrends, pair_trends
from synth.fidelity.utility import Utility, utility

__all__ = [
    "SCORES",
    "Fidelity",
    "Item",
    "PairTrends",
    "RareCoverage",
    "Score",
    "Utility",
    "c2st",
    "c2st_strong",
    "class_shapes",
    "column_shapes",
    "matching",
    "measure",
    "pair_trends",
    "rare_coverage",
    "utility",
]
