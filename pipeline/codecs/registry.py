"""The codecs: the export list, and the choices of `format:` in a stream spec."""

from pipeline.codecs.arrow import ArrowCodec
from pipeline.codecs.base import Codec
from pipeline.codecs.json import JsonCodec
from pipeline.config import StreamSpec

CODECS = (JsonCodec, ArrowCodec)


def make_codec(spec: StreamSpec) -> Codec:
    """The codec of a stream's format. Raises ConfigError where its columns' paths contradict each other."""
    codec_class = next(c for c in CODECS if c.format is spec.format)
    return codec_class(spec)
