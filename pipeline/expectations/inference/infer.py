"""Infer a stream's suite from a stretch of its archive, and keep what people changed in the one before.

Fails where the reference itself is bad: what was bad all along is expected from then on. Infer from a stretch that is
known to be good, and read the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from detectors.columns import Kind
from pipeline.errors import ConfigError
from pipeline.expectations.asked import digest_of, entries_of
from pipeline.expectations.inference.columns import column_suite
from pipeline.expectations.inference.keeping import keeping_edits
from pipeline.expectations.inference.parts import Reference, cut
from pipeline.expectations.inference.rows import keys_suite, relations, rows_suite
from pipeline.expectations.suite import InferredFrom, Suite
from pipeline.expectations.window import Window

LEAST_ROWS = 300
FALSE_FAILURES = 0.01
_QUESTIONS_PER_COLUMN, _QUESTIONS_OF_ROWS = 7, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """A suite and what to say beside its entries."""

    suite: Suite
    comments: Mapping[str, str]
    """Entry → a few words."""


def infer(
    window: Window,
    *,
    stream: str,
    window_hours: float,
    now_ms: int,
    before: Suite | None = None,
    false_failures: float = FALSE_FAILURES,
) -> Inferred:
    """The suite of a reference window. Raises ConfigError where there are too few rows to say anything."""
    if window.looked_at < LEAST_ROWS:
        raise ConfigError(
            f"{window.looked_at:,} events are too few to infer what to expect of stream {stream!r} ({LEAST_ROWS:,} at "
            "least, some weeks are better): let `eddyline archive` run longer, or name a longer stretch"
        )
    columns = [name for name in window.schema.names if _asked_of(window, name)]
    chance = false_failures / (len(columns) * _QUESTIONS_PER_COLUMN + _QUESTIONS_OF_ROWS)
    reference = cut(window, window_hours, chance=chance)
    comments: dict[str, str] = {}
    found = {}
    for name in columns:
        found[name], said = column_suite(reference, name)
        comments |= {f"columns.{name}.{entry}": text for entry, text in said.items()}
    rows, said_of_rows = rows_suite(reference)
    keys, said_of_keys = keys_suite(reference)
    comments |= {f"rows.{entry}": text for entry, text in said_of_rows.items()}
    comments |= {f"keys.{entry}": text for entry, text in said_of_keys.items()}
    suite = Suite(
        stream=stream,
        inferred=_facts(reference, now_ms, false_failures),
        rows=rows,
        keys=keys,
        columns=found,
        relations=relations(reference, found),
    )
    suite = suite.model_copy(update={"as_inferred": {n: digest_of(entry) for n, entry in entries_of(suite).items()}})
    return Inferred(suite=suite if before is None else keeping_edits(suite, before), comments=comments)


def _asked_of(window: Window, name: str) -> bool:
    return name in window.table.column_names and window.kind(name) is not Kind.WINDOW


def _facts(reference: Reference, now_ms: int, false_failures: float) -> InferredFrom:
    whole = reference.whole
    return InferredFrom(
        start=_moment(whole.start_ms),
        end=_moment(whole.end_ms),
        at=datetime.fromtimestamp(now_ms // 1000, UTC),
        rows=whole.rows,
        window_hours=reference.window_hours,
        window_rows=reference.window_rows,
        windows=len(reference.windows),
        false_failures=false_failures,
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
