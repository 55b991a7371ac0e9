"""One shadow copy of a stretch of events: anomalies put in, scored as the scorer would, counted by family. No Kafka.

Shape legend: S rows of the stretch, N rows of its copy (longer where anomalies add rows), E anomalies.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role
from detectors.injection import Injected, Purpose, inject, seed_for
from pipeline.batch_faults import BoolArray
from pipeline.canaries.plan import CanaryPlan
from pipeline.config import StreamSpec
from pipeline.kafka.port import Int64Array
from pipeline.model_store import Bundle
from pipeline.state.enricher import Enricher

FORWARD_ROWS = 4_096
Past = Callable[[], Enricher]
"""A copy of the keyed state right before a stretch; each call makes a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Consecutive events of one partition. S rows."""

    name: str
    """Unique to where it begins: what is put in follows from it."""
    batch: pa.RecordBatch
    """Under the stream's own schema."""
    times_ms: Int64Array
    past: Past | None = None
    """None for a stream whose events are scored each by itself."""


@dataclass(frozen=True, slots=True)
class Caught:
    """Of one family in one copy."""

    injected: int = 0
    caught: int = 0


def shadow_counts(
    spec: StreamSpec, stretch: Stretch, bundle: Bundle, plan: CanaryPlan, *, each: int
) -> dict[str, Caught]:
    """How many anomalies of each family were put into a copy, and how many have a row above the threshold.

    One that lies on a row that was above it before is not counted: it could not be told whose merit that is. The
    stretch and its past are not changed.
    """
    table = pa.Table.from_batches([stretch.batch])
    seed = seed_for(Purpose.CANARY, _number(stretch.name))
    injected = inject(table, plan.of(table.num_rows, each=each), seed=seed)
    flagged_before = _flags(stretch.batch, stretch.times_ms, stretch.past, bundle)
    [copy] = injected.table.combine_chunks().to_batches()
    flagged_after = _flags(copy, _times(spec, injected, stretch.times_ms), stretch.past, bundle)
    return _counted(injected, flagged_before, flagged_after)


def _counted(injected: Injected, flagged_before: BoolArray, flagged_after: BoolArray) -> dict[str, Caught]:
    truth = injected.truth
    doubtful_N = flagged_before[injected.source_N] & ~injected.added_N
    found: dict[str, Caught] = {}
    for number, event in enumerate(truth.events):
        rows = truth.event_N == number
        if not doubtful_N[rows].any():
            name = truth.families[event.family].name
            so_far = found.get(name, Caught())
            found[name] = Caught(so_far.injected + 1, so_far.caught + bool(flagged_after[rows].any()))
    return found


def _flags(batch: pa.RecordBatch, times_ms: Int64Array, past: Past | None, bundle: Bundle) -> BoolArray:
    """Which rows are above the threshold, with a copy of the past that is thrown away."""
    enricher = past() if past is not None else None
    flags = []
    for start in range(0, batch.num_rows, FORWARD_ROWS):
        part, times = batch.slice(start, FORWARD_ROWS), times_ms[start : start + FORWARD_ROWS]
        if enricher is not None:
            part = enricher.advance(part, times, next_offset=start)
        flags.append(bundle.threshold.flags(bundle.detector.score(part)))
    return np.concatenate(flags)


def _times(spec: StreamSpec, injected: Injected, times_ms: Int64Array) -> Int64Array:
    """The copy's times, (N,): what its time column says, else those of the rows that rows were made from."""
    inherited = times_ms[injected.source_N]
    name = spec.column_with(Role.TIME)
    if name is None:
        return inherited
    milliseconds = injected.table[name].cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64())
    return np.asarray(pc.coalesce(milliseconds, pa.array(inherited)).to_numpy(), dtype=np.int64)


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
