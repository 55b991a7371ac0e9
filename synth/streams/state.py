"""A fitted stream as arrays and a JSON-able dictionary, and back."""

import base64
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from detectors.base import Tensors
from synth.base import Generator
from synth.preparation import Preparation
from synth.streams.fitting import FittedStream
from synth.streams.layout import StreamLayout
from synth.streams.names import Names
from synth.streams.pools import LevelPool
from synth.streams.sources import Columns

LoadModel = Callable[[str, Tensors, dict[str, Any]], Generator]
"""From the name of a row model's class and its state to the model."""
ENTITY, EVENT, POOL = "entity.", "event.", "pool."
_TYPES = {str(kind): kind for kind in (pa.string(), pa.int64(), pa.float64(), pa.bool_())}


def state_of(fitted: FittedStream) -> tuple[Tensors, dict[str, Any]]:
    """Everything; the arrays of the row models have the prefixes `entity.` and `event.`."""
    entity_tensors, entity = fitted.entity_model.state()
    event_tensors, event = fitted.event_model.state()
    tensors = {"curves": fitted.curve_CQ, **_prefixed(ENTITY, entity_tensors), **_prefixed(EVENT, event_tensors)}
    for at, pool in enumerate(fitted.pools.values()):
        tensors |= _prefixed(f"{POOL}{at}.", pool.tensors())
    document = {
        "columns": _columns_document(fitted.columns),
        "layout": fitted.layout.document(),
        "models": [fitted.entity_model.name, fitted.event_model.name],
        "entity": entity,
        "event": event,
        "keys": fitted.keys.document(),
        "references": list(fitted.pools),
        "levels": {name: [str(levels.type), levels.to_pylist()] for name, levels in fitted.levels.items()},
        "ranges": {name: list(limits) for name, limits in fitted.ranges.items()},
        "longest_piece": fitted.longest_piece,
        "events_a_key": fitted.events_a_key,
    }
    return tensors, document


def fitted_from(tensors: Tensors, document: dict[str, Any], load: LoadModel) -> FittedStream:
    """The fitted stream that `state_of` described."""
    names = document["references"]
    return FittedStream(
        columns=_columns_from(document["columns"]),
        layout=StreamLayout.from_document(document["layout"]),
        entity_model=load(document["models"][0], _without(ENTITY, tensors), document["entity"]),
        event_model=load(document["models"][1], _without(EVENT, tensors), document["event"]),
        keys=Names.from_document(document["keys"]),
        pools={n: LevelPool.from_tensors(_without(f"{POOL}{at}.", tensors)) for at, n in enumerate(names)},
        levels={name: pa.array(values, _TYPES[kind]) for name, (kind, values) in document["levels"].items()},
        ranges={name: (low, high) for name, (low, high) in document["ranges"].items()},
        curve_CQ=tensors["curves"],
        longest_piece=document["longest_piece"],
        events_a_key=document["events_a_key"],
    )


def _columns_document(columns: Columns) -> dict[str, Any]:
    own, events = columns.own_preparation, columns.event_preparation
    return {
        "schema": base64.b64encode(columns.schema.serialize().to_pybytes()).decode("ascii"),
        "key": columns.key,
        "time": columns.time,
        "own": list(columns.own),
        "times": list(columns.times),
        "own_preparation": own.document() if own is not None else None,
        "event_preparation": events.document() if events is not None else None,
    }


def _columns_from(document: dict[str, Any]) -> Columns:
    own, events = document["own_preparation"], document["event_preparation"]
    return Columns(
        schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(document["schema"]))),
        key=document["key"],
        time=document["time"],
        own=tuple(document["own"]),
        times=tuple(document["times"]),
        own_preparation=Preparation.from_document(own) if own is not None else None,
        event_preparation=Preparation.from_document(events) if events is not None else None,
    )


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
