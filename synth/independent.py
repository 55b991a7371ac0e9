"""Columns drawn each by itself: the floor that every generator must beat, and a quick stand-in where none is needed."""

from typing import Any, ClassVar

import numpy as np

from detectors.base import Tensors
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.token_generator import TokenArray, TokenGenerator
from synth.training import Run
from synth.wanted import Wanted


class IndependentGenerator(TokenGenerator):
    """Each token from its training frequencies. Marginals are right, everything between columns is lost."""

    name: ClassVar[str] = "independent"
    version: ClassVar[int] = 1

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        nats = 0.0
        for token in codec.tokens:
            share_K = token.counts_K / token.counts_K.sum()
            nats -= float((share_K * np.log(np.maximum(share_K, 1e-300))).sum())
        if progress is not None:
            progress(1.0, "frequencies counted")
        return Run(
            steps=0, epochs=1.0, held_out_nats=nats, first_nats=nats, stopped_because="all rows seen", resumed=False
        )

    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        codec = self._fitted()
        weights = wanted.weights(codec)
        tokens_NT = np.zeros((rows, len(codec.tokens)), dtype=np.int32)
        for t, token in enumerate(codec.tokens):
            if t in wanted.given:
                tokens_NT[:, t] = wanted.given[t]
                continue
            weight = weights.get(t, np.ones(token.classes))
            if weight.ndim == 1:
                tokens_NT[:, t] = _drawn(np.tile(token.counts_K * weight, (1, 1)), np.zeros(rows, np.int64), generator)
            else:
                tokens_NT[:, t] = _drawn(token.counts_K * weight, tokens_NT[:, t - 1], generator)
        return tokens_NT

    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        return {}, {}

    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        """The codec's counts are the model."""


def _drawn(weight_UK: Any, group_N: Any, generator: np.random.Generator) -> TokenArray:
    cumulative_UK = np.cumsum(weight_UK, axis=1)
    draw_N = generator.random(len(group_N)) * cumulative_UK[group_N, -1]
    found_N = np.zeros(len(group_N), dtype=np.int32)
    for group in np.unique(group_N).tolist():
        at = np.flatnonzero(group_N == group)
        found_N[at] = np.searchsorted(cumulative_UK[group], draw_N[at], side="right")
    bounded_N: TokenArray = np.minimum(found_N, weight_UK.shape[1] - 1).astype(np.int32)
    return bounded_N
