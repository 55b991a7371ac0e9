"""A spec for a person's own file, guessed as `eddyline init` guesses it."""

from pathlib import Path

from pipeline.config import CodecFormat, StreamSpec
from pipeline.event_samples import events_of_file
from pipeline.inference import infer_spec
from pipeline.role_guesses import Wishes

STREAM = "own"


def infer_file_spec(path: Path, *, label: str | None, key: str | None, time: str | None) -> StreamSpec:
    """The spec of a .parquet or .csv file. Raises ConfigError for a file or a column that is not there."""
    sample = events_of_file(path)
    wishes = Wishes(key=key, label=label, time=time)
    return infer_spec(sample.events, stream=STREAM, topic=STREAM, format=CodecFormat.JSON, wishes=wishes).spec
