"""How faithful synthetic rows are: each measure beside its ceiling (real held-out rows) and floor (independent
columns)."""

from synth.fidelity.detection import c2st, c2st_strong
from synth.fidelity.shapes import column_shapes
from synth.fidelity.trends import PairTrends, pair_trends
from synth.fidelity.utility import Utility, utility

__all__ = ["PairTrends", "Utility", "c2st", "c2st_strong", "column_shapes", "pair_trends", "utility"]
