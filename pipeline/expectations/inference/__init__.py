"""A suite made of what an archive shows."""

from pipeline.expectations.inference.infer import Inferred, infer

__all__ = ["Inferred", "infer"]
