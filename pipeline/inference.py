"""Guess a stream spec from a sample of events: kinds and roles of columns, each with the reason for the guess.

Guesses are for a person to edit. They lean to what does little harm when wrong: what may be personal is masked, what
has a value of its own in nearly every event is carried along and not scored, and an integer that reads like a code is
a category.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from detectors.columns import Role
from pipeline.column_guesses import Guess, guess_column
from pipeline.config import BudgetSpec, CodecFormat, StreamSpec
from pipeline.errors import ConfigError
from pipeline.role_guesses import Wishes, with_roles
from pipeline.sampling import sample_events, sample_table

DEFAULT_ALERTS_PER_DAY = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """A spec that a person should read, and what it rests on."""

    spec: StreamSpec
    guesses: tuple[Guess, ...]
    left_out: Mapping[str, str]
    """Field → why no column was made of it."""
    rows: int


def infer_spec(
    sample: pa.Table | Sequence[Mapping[str, Any]],
    *,
    stream: str,
    topic: str,
    format: CodecFormat = CodecFormat.JSON,
    wishes: Wishes | None = None,
) -> Inferred:
    """Guess the spec of events like these.

    Raises ConfigError where there are none, where nothing could be scored, or where a wish names no column.
    """
    taken = sample_table(sample) if isinstance(sample, pa.Table) else sample_events(sample)
    if not taken.rows:
        raise ConfigError("there are no events to learn from: give a file or topic that has some")
    wishes = wishes or Wishes()
    left_out = {f"({taken.dropped_columns} more fields)": "too many fields"} if taken.dropped_columns else {}
    guesses: list[Guess] = []
    for path, values in taken.columns.items():
        guess = guess_column(path, values, stated_time=wishes.time in (path[-1], ".".join(path)))
        if isinstance(guess, str):
            left_out[".".join(path)] = guess
        else:
            guesses.append(guess)
    guesses = with_roles(_named_apart(guesses), wishes, taken.rows)
    if not any(Role.FEATURE in g.spec.roles for g in guesses):
        raise ConfigError("no field could be scored (no number, boolean or category): give events that have some")
    spec = StreamSpec(
        stream=stream,
        topic=topic,
        format=format,
        columns=tuple(g.spec for g in guesses),
        budget=BudgetSpec(alerts_per_day=DEFAULT_ALERTS_PER_DAY),
    )
    return Inferred(spec=spec, guesses=tuple(guesses), left_out=left_out, rows=taken.rows)


def _named_apart(guesses: list[Guess]) -> list[Guess]:
    """Short names where they are unique, else the whole path with underscores."""
    short = Counter(g.path[-1] for g in guesses)
    named = []
    for guess in guesses:
        name = guess.path[-1] if short[guess.path[-1]] == 1 else "_".join(guess.path)
        named.append(replace(guess, spec=guess.spec.model_copy(update={"name": name[:200]})))
    return named
