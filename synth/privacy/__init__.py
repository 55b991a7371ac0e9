"""What synthetic rows give away about training rows, each measure beside the same of held-out real rows."""

from synth.privacy.copies import CopyShare, exact_copies, near_copies
from synth.privacy.measures import Privacy, measure
from synth.privacy.membership import Membership, membership
from synth.privacy.rare_values import RareValues, rare_values

__all__ = [
    "CopyShare",
    "Membership",
    "Privacy",
    "RareValues",
    "exact_copies",
    "measure",
    "membership",
    "near_copies",
    "rare_values",
]
