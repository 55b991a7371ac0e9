"""Keyed event streams made as keyed event streams."""

from synth.streams.generator import StreamGenerator
from synth.streams.settings import StreamSettings

__all__ = ["StreamGenerator", "StreamSettings"]
