"""How far recent events moved away from what the champion learned from."""

from pipeline.expectations.drift.check import check_drift

__all__ = ["check_drift"]
