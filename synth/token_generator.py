"""What all generators over tokens share: preparation, codec, conditions, decoding. A model is left the tokens alone.

Shape legend: N rows, T tokens.
"""

import time
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.artifacts import check_made_by
from detectors.base import Tensors
from detectors.errors import NotFittedError, UnusableDataError
from synth.base import Checkpoint, FitReport, Generator, Progress
from synth.codec import CodecSettings, TokenCodec
from synth.conditions import Condition, Conditions
from synth.errors import ImpossibleConditionsError
from synth.preparation import Preparation
from synth.training import Run
from synth.wanted import Wanted, allowed_of, balanced

TokenArray = npt.NDArray[np.int32]
LEAST_ROWS = 2
LEAST_DRAWN = 4_096
LEAST_FITTING_SHARE = 1e-4
"""Of the rows drawn, by conditions that can only be looked at afterwards: fewer, and the request is refused."""


class TokenGenerator(Generator):
    """A generator over the tokens of a prepared table. Models give `_learn`, `_draw` and their own state.

    With `prepare=False` the table is taken as it is: every field numeric (int64, float64), categorical (string, int64)
    or boolean, and nothing is sought in it or brought back.
    """

    codec_settings: ClassVar[CodecSettings] = CodecSettings()

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 300.0, device: str = "cpu", prepare: bool = True
    ) -> None:
        super().__init__(seed=seed, time_budget_seconds=time_budget_seconds, device=device)
        self.prepare = prepare
        self._preparation: Preparation | None = None
        self._codec: TokenCodec | None = None
        self._schema: pa.Schema | None = None
        self._learned_schema: pa.Schema | None = None

    # -- what a model gives ------------------------------------------------------------------------------------------

    @abstractmethod
    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        """Build the model and fit it."""

    @abstractmethod
    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        """Tokens of new rows, (N, T)."""

    @abstractmethod
    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        """Weights and settings."""

    @abstractmethod
    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        """What `_model_state` described."""

    # -- the generator -----------------------------------------------------------------------------------------------

    def fit(
        self,
        table: pa.Table,
        *,
        label: str | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> FitReport:
        """See `Generator.fit`."""
        started, cpu = time.monotonic(), time.process_time()
        refuse_unlearnable(table, label)
        self._preparation = Preparation.fit(table, label=label, seed=self.seed) if self.prepare else None
        learned = self._preparation.learned(table) if self._preparation is not None else table
        codec = TokenCodec.fit(learned, self.codec_settings, label=label)
        self._schema, self._learned_schema, self._codec = table.schema, learned.schema, codec
        left = max(0.0, self.time_budget_seconds - (time.monotonic() - started))
        run = self._learn(codec, codec.encode(learned), left, progress, checkpoint)
        figures = {"held_out_nats": run.held_out_nats, "independent_nats": run.first_nats}
        return FitReport(
            rows=table.num_rows,
            seconds=time.monotonic() - started,
            cpu_seconds=time.process_time() - cpu,
            epochs=run.epochs,
            steps=run.steps,
            stopped_because=run.stopped_because,
            resumed=run.resumed,
            figures={name: value for name, value in figures.items() if np.isfinite(value)},
            notes=(*(self._preparation.notes if self._preparation is not None else ()), *codec.notes()),
        )

    def sample(self, rows: int, *, seed: int, conditions: Conditions | None = None, first_row: int = 0) -> pa.Table:
        """See `Generator.sample`."""
        codec, asked = self._fitted(), conditions or Conditions()
        if asked.given is not None and asked.given.num_rows != rows:
            raise ImpossibleConditionsError(
                f"{asked.given.num_rows} rows are given and {rows} asked for: make them equal"
            )
        generator = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, 1])
        asked, after = self._split(asked)
        wanted = Wanted(self._given(codec, asked, rows, generator), allowed_of(codec, asked.where))
        if not after:
            return self._restored(self._decoded(codec, rows, generator, wanted), seed, first_row)
        return self._sifted(codec, rows, generator, wanted, after, seed, first_row)

    def _decoded(self, codec: TokenCodec, rows: int, generator: np.random.Generator, wanted: Wanted) -> pa.Table:
        tokens_NT = self._draw(rows, generator, wanted)
        return codec.decode(tokens_NT, generator, wanted.allowed).cast(self._learned())

    def _sifted(
        self, codec: TokenCodec, rows: int, generator: np.random.Generator, wanted: Wanted,
        after: tuple[Condition, ...], seed: int, first_row: int,
    ) -> pa.Table:  # fmt: skip
        """Rows that conditions on columns which are not learned let through; drawn until there are enough."""
        assert self._preparation is not None  # noqa: S101 without one every column is learned
        asked = " and ".join(map(str, after))
        if wanted.given:
            raise ImpossibleConditionsError(f"{asked} cannot be asked for beside balance or given values: drop one")
        kept: list[pa.Table] = []
        have = drawn = 0
        while have < rows:
            learned = self._decoded(codec, max(rows, LEAST_DRAWN), generator, wanted)
            fits = self._preparation.fitting(self._restored(learned, seed, first_row), after)
            kept.append(learned.filter(pa.array(fits)))
            have, drawn = have + kept[-1].num_rows, drawn + learned.num_rows
            if have < drawn * LEAST_FITTING_SHARE:
                raise ImpossibleConditionsError(f"{asked}: {have} of {drawn:,} generated rows fit: loosen it")
        return self._restored(pa.concat_tables(kept).slice(0, rows).combine_chunks(), seed, first_row)

    def _given(
        self, codec: TokenCodec, asked: Conditions, rows: int, generator: np.random.Generator
    ) -> dict[int, TokenArray]:
        found: dict[int, TokenArray] = {}
        if asked.given is not None:
            unknown = [name for name in asked.given.column_names if name not in codec.names]
            if unknown:
                raise ImpossibleConditionsError(
                    f"{', '.join(unknown)}: not learned by itself, so it cannot be given; give {', '.join(codec.names)}"
                )
            for name in asked.given.column_names:
                at = codec.names.index(name)
                values = asked.given[name].combine_chunks().cast(self._learned().field(name).type)
                found |= codec.given_tokens(at, codec.columns[at].encode(values))
        if asked.balance is not None:
            if asked.balance not in codec.names:
                raise ImpossibleConditionsError(
                    f"{asked.balance!r} cannot be balanced: it is no column that is learned by itself; "
                    f"balance one of {', '.join(codec.names)}"
                )
            found |= balanced(codec, asked.balance, rows, generator)
        return found

    def _split(self, asked: Conditions) -> tuple[Conditions, tuple[Condition, ...]]:
        """Conditions on learned columns, and those that only restored rows can be held against."""
        for condition in asked.where:
            if condition.column not in self.schema.names:
                raise ImpossibleConditionsError(f"{condition}: there is no column {condition.column!r}: name another")
        if self._preparation is None:
            return asked, ()
        learned, left = self._preparation.split(asked)
        return learned, left.where

    def _restored(self, learned: pa.Table, seed: int, first_row: int) -> pa.Table:
        if self._preparation is None:
            return learned
        return self._preparation.restored(learned, seed=seed, first_row=first_row)

    def _fitted(self) -> TokenCodec:
        if self._codec is None:
            raise NotFittedError("the generator was neither fitted nor loaded: call fit or from_state first")
        return self._codec

    def _learned(self) -> pa.Schema:
        assert self._learned_schema is not None  # noqa: S101 set together with the codec
        return self._learned_schema

    @property
    def schema(self) -> pa.Schema:
        """The schema of the training table."""
        self._fitted()
        assert self._schema is not None  # noqa: S101 set together with the codec
        return self._schema

    @property
    def learned_names(self) -> tuple[str, ...]:
        """The columns that the model itself knows: these can be balanced and given."""
        return self._fitted().names

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """The model's weights; preparation, encoding and settings as JSON."""
        codec = self._fitted()
        tensors, settings = self._model_state()
        return tensors, {
            "name": self.name,
            "version": self.version,
            "seed": self.seed,
            "time_budget_seconds": self.time_budget_seconds,
            "preparation": self._preparation.document() if self._preparation is not None else None,
            "schema": None if self._preparation is not None else schema_text(self.schema),
            "codec": codec.document(),
            "model": settings,
        }

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The generator that `state` described."""
        check_made_by(document, name=cls.name, version=cls.version)
        prepared = document["preparation"]
        made = cls(
            seed=document["seed"], time_budget_seconds=document["time_budget_seconds"], device=device,
            prepare=prepared is not None,
        )  # fmt: skip
        made._codec = TokenCodec.from_document(document["codec"])
        if prepared is not None:
            made._preparation = Preparation.from_document(prepared)
            made._schema, made._learned_schema = made._preparation.schema, made._preparation.learned_schema
        else:
            made._schema = made._learned_schema = schema_of(document["schema"])
        made._load_model(made._codec, tensors, document["model"])
        return made


def schema_text(schema: pa.Schema) -> str:
    """A schema as text for a JSON document."""
    return str(schema.serialize().to_pybytes().hex())


def schema_of(text: str) -> pa.Schema:
    """The schema that `schema_text` wrote."""
    return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(text)))


def refuse_unlearnable(table: pa.Table, label: str | None) -> None:
    """Raise UnusableDataError for what can be known to fail before anything is learned."""
    if table.num_rows < LEAST_ROWS:
        raise UnusableDataError(f"the table has {table.num_rows} row: a generator needs {LEAST_ROWS} at the very least")
    if label is not None and label not in table.column_names:
        raise UnusableDataError(
            f"there is no column {label!r} to be the label: name one of {', '.join(table.column_names)}"
        )
    if all(table[name].null_count == table.num_rows for name in table.column_names):
        raise UnusableDataError(
            "every value of every column is null: there is nothing to learn; check the columns' paths"
        )
