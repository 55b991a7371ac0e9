"""A row model for tests: quick, and right about what it is given as far as training rows are."""

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.neighbors import NearestNeighbors

from detectors.base import Tensors
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.streams.generator import StreamGenerator
from synth.token_generator import TokenArray, TokenGenerator
from synth.training import Run
from synth.wanted import Wanted

NEAREST = 4


class ResamplingGenerator(TokenGenerator):
    """Hands out one of the training rows nearest to what is given."""

    name: ClassVar[str] = "resampling"
    version: ClassVar[int] = 1

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        self.tokens_NT = tokens_NT
        if progress is not None:
            progress(1.0, "kept")
        return Run(steps=0, epochs=1.0, held_out_nats=1.0, first_nats=1.0, stopped_because="kept", resumed=False)

    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        fitting = self._allowed(wanted)
        if not wanted.given:
            return np.asarray(fitting[generator.integers(0, len(fitting), rows)], dtype=np.int32)
        at = sorted(wanted.given)
        scale = fitting[:, at].std(axis=0) + 1.0
        asked = np.stack([wanted.given[t] for t in at], axis=1) / scale
        near = NearestNeighbors(n_neighbors=min(NEAREST, len(fitting))).fit(fitting[:, at] / scale).kneighbors(asked)[1]
        drawn = fitting[near[np.arange(rows), generator.integers(0, near.shape[1], rows)]].copy()
        drawn[:, at] = np.stack([wanted.given[t] for t in at], axis=1)
        return np.asarray(drawn, dtype=np.int32)

    def _allowed(self, wanted: Wanted) -> TokenArray:
        chosen = np.ones(len(self.tokens_NT), dtype=np.bool_)
        for t, weight_K in wanted.weights(self._fitted()).items():
            chosen &= weight_K[self.tokens_NT[:, t]] > 0
        allowed: TokenArray = self.tokens_NT[chosen]
        return allowed

    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        return {"tokens": self.tokens_NT}, {}

    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        self.tokens_NT = tensors["tokens"]


class ResampledStream(StreamGenerator):
    """A stream over that row model."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"row_model": ResamplingGenerator, "event_model": ResamplingGenerator, **settings})

    @classmethod
    def row_model_named(cls, name: str) -> type[TokenGenerator]:
        assert name == ResamplingGenerator.name
        return ResamplingGenerator


def fitted(table: pa.Table, *, label: str | None = None, **settings: Any) -> ResampledStream:
    made = ResampledStream(seed=1, **settings)
    made.fit(table, label=label)
    return made


def reloaded(stream: StreamGenerator) -> StreamGenerator:
    return type(stream).from_state(*stream.state())


def histories(table: pa.Table, key: str = "customer", time: str = "at") -> dict[str, pa.Table]:
    """The events of each key in the order of the table."""
    keys = table[key].unique().to_pylist()
    return {name: table.filter(pc.equal(table[key], name)) for name in keys if name is not None}
