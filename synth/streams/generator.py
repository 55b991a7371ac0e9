"""Keyed streams as keyed streams: entities are drawn, then the events of each, one after another.

Two row models of one class. The first learns a table with a row for each key (`entities.py`), the second one with a row
for each event, in the light of what was known before it (`events.py`). Sampling draws entities until they have as many
events as are asked for and lets them all step together (`stepping.py`).

It works where keys have several events and are many (some hundreds). It fails where there are few keys, of which little
can be learned, and where an event depends on other keys' events at the same time. What is kept of a key's past is the
event before, means and counts of what is left, and the order of its references: patterns over several events are kept
only as far as those carry them.

Shape legend: N events, K keys, R rows asked for, E entities.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from detectors.base import Tensors
from detectors.columns import Role
from detectors.errors import IncompatibleArtifactError, NotFittedError, UnusableDataError
from synth.autoregressive.generator import AutoregressiveGenerator
from synth.base import Checkpoint, FitReport, Generator, Progress
from synth.conditions import Conditions
from synth.errors import ImpossibleConditionsError
from synth.preparation.kinds import with_kinds
from synth.streams.drawing import Drawn, draw_events, in_columns, in_order_of_time, together
from synth.streams.events import rank_column
from synth.streams.fitting import FittedStream, Task, fit_stream
from synth.streams.histories import histories_of
from synth.streams.layout import column_with
from synth.streams.requests import fitting, request_of
from synth.streams.row_model import GivenFirstGenerator
from synth.streams.settings import StreamSettings
from synth.streams.state import fitted_from, state_of
from synth.token_generator import TokenGenerator

MOST_DRAWN = 100
"""Events drawn for each one asked for before conditions are called impossible, and at least `LEAST_DRAWN`."""
LEAST_DRAWN = 20_000
MOST_AT_ONCE = 65_536


class StreamGenerator(Generator):
    """Learns a keyed stream and makes streams like it, of new keys.

    `row_model` learns the entities. Events are the autoregressive model's unless `event_model` says otherwise: each is
    drawn given some twenty columns, which a latent model meets only by trying, and an adversarial one hardly at all.
    `model_settings` are passed on to autoregressive models.
    """

    name: ClassVar[str] = "stream"
    version: ClassVar[int] = 1

    def __init__(
        self,
        *,
        seed: int = 0,
        time_budget_seconds: float = 300.0,
        device: str = "cpu",
        key: str | None = None,
        time: str | None = None,
        row_model: type[TokenGenerator] | None = None,
        event_model: type[TokenGenerator] | None = None,
        model_settings: Mapping[str, Any] | None = None,
        settings: StreamSettings | None = None,
    ) -> None:
        super().__init__(seed=seed, time_budget_seconds=time_budget_seconds, device=device)
        self.key, self.time = key, time
        self.row_model, self.event_model = row_model or AutoregressiveGenerator, event_model
        self.model_settings = dict(model_settings or {})
        self.settings = settings or StreamSettings()
        self._fitted: FittedStream | None = None

    def fit(
        self,
        table: pa.Table,
        *,
        label: str | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> FitReport:
        """Learn the stream; key and time are the columns named at construction, else those with these roles.

        Raises UnusableDataError where there is no such column, fewer than two keys, or nothing beside key and time.
        """
        key = column_with(table.schema, Role.KEY, self.key)
        time = column_with(table.schema, Role.TIME, self.time)
        if label is not None and (label not in table.column_names or label in (key, time)):
            raise UnusableDataError(f"{label!r} cannot be the label: name a column that is neither key nor time")
        histories = histories_of(with_kinds(table, label=label), key=key, time=time)
        task = Task(
            schema=table.schema,
            key=key,
            time=time,
            label=label,
            settings=self.settings,
            seed=self.seed,
            new_models=(self._entity_model, self._event_model),
        )
        self._fitted, report = fit_stream(histories, task, progress=progress, checkpoint=checkpoint)
        return report

    def sample(self, rows: int, *, seed: int, conditions: Conditions | None = None, first_row: int = 0) -> pa.Table:
        """`rows` events of whole histories, in order of time; only the last history drawn is cut short.

        Conditions on a column that belongs to the whole key hold for whole histories; of conditions on others the
        events that fit are kept. Keys are new, and differ between chunks that `first_row` tells apart.

        Raises ImpossibleConditionsError, NotFittedError.
        """
        fitted = self._whole()
        request = request_of(conditions, fitted.columns)
        parts: list[Drawn] = []
        kept = drawn = 0
        while kept < rows:
            fair = (rows - kept) * drawn / kept if kept else rows
            wanted = rows - kept if not request.of_events else int(min(1.1 * fair + 256, MOST_AT_ONCE))
            lot = int(np.random.SeedSequence([seed, len(parts)]).generate_state(1)[0])
            part = draw_events(fitted, wanted, seed=lot, conditions=request.of_entities, first_row=first_row)
            if request.of_events:
                part = part.only(fitting(in_columns(fitted, part, first_row=first_row), request.of_events))
            parts.append(part)
            drawn, kept = drawn + wanted, kept + part.rows
            if kept < rows and drawn >= max(MOST_DRAWN * rows, LEAST_DRAWN):
                asked = ", ".join(map(str, request.of_events))
                raise ImpossibleConditionsError(f"{asked}: {kept:,} of {drawn:,} events drawn fit: loosen that")
        return in_columns(fitted, in_order_of_time(together(parts, rows)), first_row=first_row)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the training table, which every sample has."""
        return self._whole().columns.schema

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Both row models, and what goes with them."""
        tensors, document = state_of(self._whole())
        return tensors, {"version": self.version, "seed": self.seed, **document}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The generator that `state` described. Raises IncompatibleArtifactError for another version's."""
        if document.get("version") != cls.version:
            raise IncompatibleArtifactError(
                f"the model was written by version {document.get('version')}, this is {cls.version}: train anew"
            )
        fitted = fitted_from(tensors, document, partial(cls._load, device))
        columns = fitted.columns
        made = cls(seed=document["seed"], device=device, key=columns.key, time=columns.time)
        made._fitted = fitted
        return made

    @classmethod
    def row_model_named(cls, name: str) -> type[Generator]:
        """The class of row models with a name."""
        from synth.registry import generator_class  # which may know streams, too

        return GivenFirstGenerator if name == GivenFirstGenerator.name else generator_class(name)

    @classmethod
    def _load(cls, device: str, name: str, tensors: Tensors, document: dict[str, Any]) -> Generator:
        return cls.row_model_named(name).from_state(tensors, document, device=device)

    def _entity_model(self) -> Generator:
        settings = self.model_settings if issubclass(self.row_model, AutoregressiveGenerator) else {}
        return self._new_model(self.row_model, self.settings.entity_share, **settings)

    def _event_model(self, given: int, returning: Sequence[str]) -> Generator:
        share = 1.0 - self.settings.entity_share
        if self.event_model is not None:
            return self._new_model(self.event_model, share)
        ranks = {name: rank_column(name) for name in returning}
        settings = {**self.model_settings, "given_columns": given, "returning": ranks}
        return self._new_model(GivenFirstGenerator, share, **settings)

    def _new_model(self, model: type[TokenGenerator], share: float, **settings: Any) -> Generator:
        budget = self.time_budget_seconds * share
        return model(seed=self.seed, time_budget_seconds=budget, device=self.device, prepare=False, **settings)

    def _whole(self) -> FittedStream:
        if self._fitted is None:
            raise NotFittedError("the stream was not learned: call fit or load a saved one")
        return self._fitted
