"""Preparation: what of a table is learned, and how the rest is brought back."""

from synth.preparation.kinds import with_kinds
from synth.preparation.preparation import Preparation
from synth.preparation.settings import PreparationSettings

__all__ = ["Preparation", "PreparationSettings", "with_kinds"]
