"""Finding the streams a command names."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config import StreamSpec


def stream_named(specs: "Mapping[str, StreamSpec]", name: str) -> "StreamSpec":
    """The spec of a stream. Raises ConfigError naming those there are."""
    if name not in specs:
        known = ", ".join(sorted(specs)) or "none yet; make one with `eddyline init --from FILE`"
        raise ConfigError(f"no stream is called {name!r}: there are {known}")
    return specs[name]


def streams_named(specs: "Mapping[str, StreamSpec]", names: Sequence[str] | None) -> "list[StreamSpec]":
    """The specs of the streams named, or of all. Raises ConfigError for an unknown one, and where there are none."""
    if not names and not specs:
        raise ConfigError("there are no streams yet: make one with `eddyline init --from FILE`")
    return [stream_named(specs, name) for name in (names or sorted(specs))]
