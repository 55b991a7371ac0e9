"""Tables ↔ tokens: a column becomes one or two small integers a row, which is all that token models see."""

from synth.codec.table import CodecSettings, TokenCodec

__all__ = ["CodecSettings", "TokenCodec"]
