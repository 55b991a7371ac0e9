"""The default model of events: the autoregressive generator, told which columns are always given.

Given columns come first in every order and are never predicted: the network's blocks, and the held-out loss that stops
it, are the drawn columns' alone. Now and then a given column is hidden, so that no single one is relied on.

Shape legend: B rows, T tokens, G of them given, D drawn.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synth.autoregressive.generator import LOOK_ROWS, AutoregressiveGenerator
from synth.autoregressive.model import AutoregressiveModel
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.token_generator import TokenArray
from synth.training import Run, Schedule, train


class GivenFirstGenerator(AutoregressiveGenerator):
    """Draws the columns from the `given_columns`-th on in the light of those before it, which must be given."""

    name: ClassVar[str] = "autoregressive_given"
    version: ClassVar[int] = 1

    def __init__(self, *, given_columns: int = 0, hidden_share: float = 0.1, **settings: Any) -> None:
        super().__init__(**settings)
        self.given_columns, self.hidden_share = given_columns, hidden_share

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        c, model = self.config, self._build(codec)
        rows = torch.from_numpy(tokens_NT).to(self.device)
        given = sum(token.column < self.given_columns for token in codec.tokens)
        losses = _DrawnLosses(model, given, self.hidden_share)

        def loss(at: Tensor, noise: torch.Generator) -> Tensor:
            return losses.of(rows[at].long(), noise).sum(dim=1).mean()

        def held_out(at: Tensor) -> float:
            return sum(float(losses.of(rows[part].long(), None).sum()) for part in at.split(LOOK_ROWS)) / len(at)

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

    def _order(self, codec: TokenCodec, generator: np.random.Generator) -> list[int]:
        return list(range(len(codec.tokens)))

    def _model_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        tensors, document = super()._model_state()
        return tensors, {**document, "given_columns": self.given_columns, "hidden_share": self.hidden_share}

    def _load_model(self, codec: TokenCodec, tensors: dict[str, Any], document: dict[str, Any]) -> None:
        config = dict(document)
        self.given_columns, self.hidden_share = config.pop("given_columns"), config.pop("hidden_share")
        super()._load_model(codec, tensors, config)


class _DrawnLosses:
    """−log p of the drawn tokens, each given all given tokens and the drawn ones before it."""

    def __init__(self, model: AutoregressiveModel, given: int, hidden_share: float) -> None:
        self.model, self.given, self.hidden_share = model, given, hidden_share

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
        heads, biases = m.heads().split(m.sizes)[G:], m.bias_E.split(m.sizes)[G:]
        nats = [
            functional.cross_entropy(torch.addmm(bias, hidden, head.t()), tokens_BT[:, G + d], reduction="none")
            for d, (hidden, head, bias) in enumerate(zip(hidden_DBW, heads, biases, strict=True))
        ]
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
