"""What synthetic rows give away about training rows, each measure beside the same of held-out real rows."""

from synth.privacy.copies import CopyShare, exact_copies, near_copies

__all__ = ["CopyShare", "exact_copies", "near_copies"]
