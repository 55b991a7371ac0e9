"""What a repartition step consists of: its hops, the topics between them, and the stream as everyone after it sees it.

    topic ─ split ─► by.K1 ─ context of K1 ─► by.K2 ─ context of K2 ─► joined ─► scorer, archiver, training

Every hop is a consumer group of its own. Rows carry their own place in the source topic along.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from detectors.columns import Kind, Role, kind_of, roles_of
from detectors.errors import UnusableDataError
from pipeline.config import CodecFormat, ColumnSpec, ContextSpec, Missing, StreamSpec
from pipeline.errors import ConfigError

SOURCE_PARTITION, SOURCE_OFFSET, SOURCE_ROW = "_source_partition", "_source_offset", "_source_row"
SOURCE_TIME = "_source_time"
"""When the source record was appended; the time of events that have none of their own."""
ANY_TIME_SECONDS = 1e10
"""Events were held against their append time once, at the split."""
_PLAIN = re.compile(r"^[A-Za-z0-9_-]{1,80}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One consumer group of the step: what it reads, derives and writes."""

    name: str
    """`split`, or `by.KEY`."""
    reads: StreamSpec
    """Its topic, format and columns; its one context, none for the split."""
    target: str
    key: tuple[str, ...] | None
    """What rows are sent on by; None where they go home, to the partition they came from."""

    @property
    def group(self) -> str:
        """Its consumer group."""
        return f"eddyline.{self.reads.stream}.repartition.{self.name}"

    @property
    def is_split(self) -> bool:
        """Whether it reads the source topic."""
        return not self.reads.context

    def slot_name(self, instance: str, slot: int) -> str:
        """What a worker slot is called, in its group and as a transactional producer: the same after every restart."""
        return f"{self.group}.{instance}.{slot}"


def joined_topic(stream: str) -> str:
    """Where events with all their repartitioned context go."""
    return f"eddyline.{stream}.joined"


def needs_repartition(spec: StreamSpec) -> bool:
    """Whether a spec, as stated, asks for the step."""
    return bool(spec.repartitioned_context) and spec.topic != joined_topic(spec.stream)


def downstream(spec: StreamSpec) -> StreamSpec:
    """The stream as scorer, archiver and training see it: the joined topic, where derived columns are columns like any
    other. A spec that asks for no repartition is its own. Raises ConfigError where a context cannot be derived."""
    if not needs_repartition(spec):
        return spec
    derived = [field for context in spec.repartitioned_context for field in _derived(spec, context)]
    own = tuple(_resolved(spec, context) for context in spec.own_context)
    windows = spec.windows
    if windows is not None and windows.metrics is None:
        windows = windows.model_copy(update={"metrics": _numeric_features(spec)})
    columns = (*_carried(spec)[1:], *map(_column, derived))
    _check_names(spec, [column.name for column in columns])
    return _reading(
        spec,
        topic=joined_topic(spec.stream),
        columns=columns,
        context=(*own, *spec.repartitioned_context),
        windows=windows,
    )


def in_one_partition(spec: StreamSpec) -> StreamSpec:
    """A spec, as stated, for rows that lie in one place (a file): every context is derived from them as they come."""
    context = tuple(c.model_copy(update={"repartition": False}) for c in spec.context)
    return spec.model_copy(update={"context": context})


def hops_of(spec: StreamSpec) -> tuple[Hop, ...]:
    """The step's hops, first to last. Raises ConfigError for a stream that asks for none, or cannot have it."""
    contexts = spec.repartitioned_context
    if not needs_repartition(spec):
        raise ConfigError(
            f"stream {spec.stream!r} needs no repartition step: none of its contexts says `repartition: true`"
        )
    topics = [_by_topic(spec.stream, context.key) for context in contexts]
    hops = [Hop(name="split", reads=spec.model_copy(update=_PLAINLY), target=topics[0], key=contexts[0].key)]
    columns = _carried(spec)
    for number, context in enumerate(contexts):
        last = number + 1 == len(contexts)
        step = _resolved(spec, context).model_copy(update={"repartition": False})
        hop = Hop(
            name=f"by.{_slug(context.key)}",
            reads=_reading(spec, topic=topics[number], columns=columns, context=(step,), windows=None),
            target=joined_topic(spec.stream) if last else topics[number + 1],
            key=None if last else contexts[number + 1].key,
        )
        hops.append(hop)
        columns = (*columns, *map(_column, _derived(spec, context)))
    return tuple(hops)


_PLAINLY = {"context": (), "windows": None}


def _by_topic(stream: str, key: tuple[str, ...]) -> str:
    return f"eddyline.{stream}.by.{_slug(key)}"


def _slug(key: tuple[str, ...]) -> str:
    """A key's columns as part of a topic's name: the column itself where it is plain, else with a hash behind it."""
    if len(key) == 1 and _PLAIN.match(key[0]):
        return key[0]
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(key))[:60] + "-" + digest


def _reading(spec: StreamSpec, **changes: object) -> StreamSpec:
    """The spec for a topic of ours: rows under the names of their columns, checked already."""
    scoring = spec.scoring.model_copy(update={"future_tolerance_seconds": ANY_TIME_SECONDS})
    return spec.model_copy(update={"format": CodecFormat.ARROW, "scoring": scoring, **changes})


def _carried(spec: StreamSpec) -> tuple[ColumnSpec, ...]:
    """What travels through the step: the place in the source topic around the event's own columns."""
    ours = {SOURCE_PARTITION, SOURCE_OFFSET, SOURCE_ROW, SOURCE_TIME}
    taken = sorted(ours & {column.name for column in spec.columns})
    if taken:
        raise ConfigError(
            f"stream {spec.stream!r}: the repartition step uses the name {taken[0]} itself: give the column another "
            "name and say where it lies with `path`"
        )
    roles = frozenset[Role]() if spec.column_with(Role.TIME) else frozenset({Role.TIME})
    partition, offset, row = (
        ColumnSpec(name=name, kind=Kind.NUMERIC, integer=True) for name in (SOURCE_PARTITION, SOURCE_OFFSET, SOURCE_ROW)
    )
    own = (column.model_copy(update={"path": None, "missing": Missing.ALLOWED}) for column in spec.columns)
    return (partition, *own, offset, row, ColumnSpec(name=SOURCE_TIME, kind=Kind.TIME, roles=roles))


def _resolved(spec: StreamSpec, context: ContextSpec) -> ContextSpec:
    """A context with its defaults stated, as they follow from the stream's own columns: among those that other
    contexts derive they would be others."""
    from pipeline.state.recipe import CONTEXT_SETTINGS, context_step

    try:
        settings = context_step(context, spec.schema()).settings
    except UnusableDataError as error:
        raise ConfigError(f"stream {spec.stream!r}: {error}") from error
    return context.model_copy(update={name: getattr(settings, name) for name in CONTEXT_SETTINGS})


def _derived(spec: StreamSpec, context: ContextSpec) -> Iterable[pa.Field]:
    from pipeline.state.recipe import context_step

    try:
        return context_step(context, spec.schema()).make().fields
    except UnusableDataError as error:
        raise ConfigError(f"stream {spec.stream!r}: {error}") from error


def _column(field: pa.Field) -> ColumnSpec:
    """A derived column, as what reads it is told of it."""
    kind = kind_of(field) or Kind.NUMERIC
    return ColumnSpec(name=field.name, kind=kind, roles=roles_of(field), integer=pa.types.is_integer(field.type))


def _check_names(spec: StreamSpec, names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigError(f"stream {spec.stream!r}: two contexts derive {doubled[0]!r}: give one another `prefix`")


def _numeric_features(spec: StreamSpec) -> tuple[str, ...]:
    return tuple(c.name for c in spec.columns if c.kind is Kind.NUMERIC and Role.FEATURE in c.roles)
