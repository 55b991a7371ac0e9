"""The default model of events: the autoregressive generator, told which columns are always given.

Given columns come first in every order and are never predicted: the network's blocks, and the held-out loss that stops
it, are the drawn columns' alone. Now and then a given column is hidden, so that no single one is relied on.

A column that comes again (`returning`) has a column of ranks before it. Where the rank says which of the last names it
is, that name is taken, in training and in drawing, and what comes after it is drawn in its light: copying a name out
of thousands is nothing that a network should have to learn (cf. pointer networks, Vinyals et al. 2015).

Shape legend: B rows, T tokens, G given, D drawn, W width, K classes of ranks, S places used last, V levels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from synth.autoregressive.drawing import draw_tokens
from synth.autoregressive.generator import LOOK_ROWS, AutoregressiveGenerator
from synth.autoregressive.model import AutoregressiveModel
from synth.autoregressive.sampler import Drawn, Sampler
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.codec.column import FloatArray
from synth.codec.numbers import NumberCodec
from synth.streams.recency import PLACES
from synth.token_generator import TokenArray
from synth.training import Run, Schedule, train
from synth.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Recent:
    """What each row's key used last of one column."""

    values: pa.Array
    """The levels, (V,); the last one stands for all that are not handed out."""
    levels_BS: npt.NDArray[np.int32]
    """Numbers of levels, latest first; -1 where there is none."""


class GivenFirstGenerator(AutoregressiveGenerator):
    """Draws the columns from the `given_columns`-th on in the light of those before it, which must be given."""

    name: ClassVar[str] = "autoregressive_given"
    version: ClassVar[int] = 1

    def __init__(
        self,
        *,
        given_columns: int = 0,
        returning: Mapping[str, str] | None = None,
        hidden_share: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.given_columns, self.returning, self.hidden_share = given_columns, dict(returning or {}), hidden_share
        self.recent: Mapping[str, Recent] = {}
        """What was used last by each of the rows that the next sample draws."""

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        c, model = self.config, self._build(codec)
        rows = torch.from_numpy(tokens_NT).to(self.device)
        given = sum(token.column < self.given_columns for token in codec.tokens)
        losses = _DrawnLosses(model, given, self.hidden_share, self._taken(codec))

        def loss(at: Tensor, noise: torch.Generator) -> Tensor:
            return losses.of(rows[at].long(), noise).sum(dim=1).mean()

        def held_out(at: Tensor) -> float:
            parts = torch.split(at, LOOK_ROWS)
            return float(sum(float(losses.of(rows[part].long(), None).sum()) for part in parts)) / len(at)

        run = train(
            model, loss, held_out, len(rows), seed=self.seed, device=self.device, progress=progress,
            checkpoint=checkpoint,
            schedule=Schedule(
                steps=c.most_steps, batch_rows=c.batch_rows, learning_rate=c.learning_rate,
                time_budget_seconds=budget_seconds,
            ),
        )  # fmt: skip
        self._adopt(model)
        return run

    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        if not isinstance(self._sampler, _RecallingSampler):
            assert self._model is not None  # noqa: S101 set together with the codec
            self._sampler = _RecallingSampler(self._model)
        codec = self._fitted()
        self._sampler.classes = self._recalled(codec)
        return draw_tokens(self._sampler, codec, range(len(codec.tokens)), rows, generator, wanted)

    def _taken(self, codec: TokenCodec) -> dict[int, tuple[int, Tensor]]:
        """By token of a returning column: the token of its ranks, and which classes of that stand for a place, (K,)."""
        found: dict[int, tuple[int, Tensor]] = {}
        for name, rank in self.returning.items():
            rank_token, place_K = _places(codec, rank)
            for t in codec.given_tokens(codec.names.index(name), np.zeros(0, dtype=np.int32)):
                found[t] = rank_token, torch.from_numpy(place_K >= 0).to(self.device)
        return found

    def _recalled(self, codec: TokenCodec) -> dict[int, tuple[int, TokenArray]]:
        """By token of a returning column: the token of its ranks, and each row's class by that of its rank, (B, K)."""
        found: dict[int, tuple[int, TokenArray]] = {}
        for name, recent in self.recent.items():
            at = codec.names.index(name)
            rank_token, place_K = _places(codec, self.returning[name])
            level_BK = np.where(place_K >= 0, recent.levels_BS[:, np.maximum(place_K, 0)], -1)
            code_V = codec.columns[at].encode(recent.values.slice(0, len(recent.values) - 1))
            for t, class_V in codec.given_tokens(at, code_V).items():
                found[t] = rank_token, np.append(class_V, np.int32(-1))[level_BK].astype(np.int32)
        return found

    def _model_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        tensors, document = super()._model_state()
        own = {"given_columns": self.given_columns, "returning": self.returning, "hidden_share": self.hidden_share}
        return tensors, {**document, **own}

    def _load_model(self, codec: TokenCodec, tensors: dict[str, Any], document: dict[str, Any]) -> None:
        config = dict(document)
        self.given_columns, self.returning = config.pop("given_columns"), config.pop("returning")
        self.hidden_share = config.pop("hidden_share")
        super()._load_model(codec, tensors, config)


class _RecallingSampler(Sampler):
    """Takes the name that a rank stands for instead of drawing one."""

    def __init__(self, model: AutoregressiveModel) -> None:
        super().__init__(model)
        self.classes: dict[int, tuple[int, TokenArray]] = {}

    def _picked(
        self, chance_UK: npt.NDArray[np.float32], group_N: npt.NDArray[np.int64], t: int, drawn: Drawn,
        generator: np.random.Generator, weight: FloatArray | None, partners: dict[int, int] | None,
        rows: slice = slice(None),
    ) -> TokenArray:  # fmt: skip
        picked_N = super()._picked(chance_UK, group_N, t, drawn, generator, weight, partners, rows)
        if t not in self.classes:
            return picked_N
        rank_token, class_BK = self.classes[t]
        own_N = class_BK[rows][np.arange(len(picked_N)), drawn.tokens_NT[rows, rank_token]]
        return np.where(own_N >= 0, own_N, picked_N)


def _places(codec: TokenCodec, rank: str) -> tuple[int, npt.NDArray[np.int64]]:
    """Of a column of ranks its token, and the place that each class stands for; -1 for none or several."""
    at = codec.names.index(rank)
    column = codec.columns[at]
    assert isinstance(column, NumberCodec)  # noqa: S101 ranks are integers
    place_K = np.nan_to_num(column.point_K, nan=-1.0).astype(np.int64)
    (token,) = codec.given_tokens(at, np.zeros(0, dtype=np.int32))
    return token, np.where(place_K < PLACES, place_K, -1)


class _DrawnLosses:
    """−log p of the drawn tokens, each given all given tokens and the drawn ones before it."""

    def __init__(
        self, model: AutoregressiveModel, given: int, hidden_share: float, taken: Mapping[int, tuple[int, Tensor]]
    ) -> None:
        self.model, self.given, self.hidden_share, self.taken = model, given, hidden_share, taken

    def of(self, tokens_BT: Tensor, noise: torch.Generator | None) -> Tensor:
        """(B, D). Dropout, and given tokens hidden, where `noise` is given."""
        m, G = self.model, self.given
        x_BTW = functional.embedding(tokens_BT + m.get_buffer("starts_T"), m.embeddings())
        given_BGW = x_BTW[:, :G]
        if noise is not None and self.hidden_share > 0.0:
            kept_BG = torch.rand(given_BGW.shape[:2], generator=noise, device=noise.device) >= self.hidden_share
            given_BGW = given_BGW * kept_BG[:, :, None]
        before_BDW = x_BTW[:, G:].cumsum(dim=1) - x_BTW[:, G:]
        context_DBW = (given_BGW.sum(dim=1, keepdim=True) + before_BDW).transpose(0, 1) + m.target_TD[G:, None]
        hidden_DBW = self._hidden(context_DBW, noise)
        heads, biases = torch.split(m.heads(), m.sizes)[G:], torch.split(m.bias_E, m.sizes)[G:]
        nats = [
            functional.cross_entropy(torch.addmm(bias, hidden, head.t()), tokens_BT[:, G + d], reduction="none")
            for d, (hidden, head, bias) in enumerate(zip(hidden_DBW, heads, biases, strict=True))
        ]
        for t, (rank_token, known_K) in self.taken.items():
            nats[t - G] = nats[t - G] * ~known_K[tokens_BT[:, rank_token]]
        return torch.stack(nats, dim=1)

    def _hidden(self, context_DBW: Tensor, noise: torch.Generator | None) -> Tensor:
        """As `AutoregressiveModel.hidden`, of the drawn tokens' blocks."""
        m, G = self.model, self.given
        a_DBH = torch.baddbmm(m.in_bias_T1H[G:], context_DBW, m.in_TDH[G:]).relu_()
        if noise is not None and m.dropout > 0.0:
            kept = torch.rand(a_DBH.shape, generator=noise, device=a_DBH.device) >= m.dropout
            a_DBH = a_DBH * kept / (1.0 - m.dropout)
        left_DBW = context_DBW + torch.baddbmm(m.out_bias_T1D[G:], a_DBH, m.out_THD[G:])
        return functional.layer_norm(left_DBW, (left_DBW.shape[2],))
