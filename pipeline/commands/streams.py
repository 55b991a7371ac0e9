"""Finding the stream a command names."""

from collections.abc import Mapping

from pipeline.config import StreamSpec
from pipeline.errors import ConfigError


def stream_named(specs: Mapping[str, StreamSpec], name: str) -> StreamSpec:
    """The spec of a stream. Raises ConfigError naming those there are."""
    if name not in specs:
        known = ", ".join(sorted(specs)) or "none yet; make one with `eddyline init --from FILE`"
        raise ConfigError(f"no stream is called {name!r}: there are {known}")
    return specs[name]
