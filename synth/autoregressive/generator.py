"""The autoregressive generator: the default, by quality.

Any columns can be conditioned on, since rows were learned in every order: what is asked for is drawn (or given) first,
and the rest in its light (`drawing.py`).

Shape legend: B rows of a batch, T tokens.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from detectors.base import Tensors
from synth.autoregressive.drawing import draw_tokens
from synth.autoregressive.model import AutoregressiveModel, natural_order, order_masks, random_order
from synth.autoregressive.sampler import Sampler
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.parameters import load_parameters, parameters_of
from synth.token_generator import TokenArray, TokenGenerator
from synth.training import Run, Schedule, train
from synth.wanted import Wanted

LOOK_ROWS = 1_024
SAME_ORDER_ROWS = 64
MOST_MASK_BYTES = 256 * 1024 * 1024
FULL_RATE_ROWS = 8_000
PATIENCE = 4
"""Looks without a better held-out loss before a fit stops."""


class Order(StrEnum):
    """In which order columns are drawn that nothing is asked of."""

    NATURAL = "natural"
    """Few classes first: what training saw most, and the fastest."""
    RANDOM = "random"
    """Another order every few rows: shows how well any column can be conditioned on any others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings; the defaults are one recipe for all tables."""

    width: int = 128
    hidden: int = 128
    dropout: float = 0.25
    batch_rows: int = 256
    learning_rate: float = 4e-3
    natural_share: float = 0.5
    """Of a batch's rows, those learned in the natural order; the others' orders are random."""
    most_steps: int = 1_500
    order: Order = Order.NATURAL


class AutoregressiveGenerator(TokenGenerator):
    """See the module's head."""

    name: ClassVar[str] = "autoregressive"
    version: ClassVar[int] = 1

    def __init__(self, *, config: Config | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.config = config or Config()
        self._model: AutoregressiveModel | None = None
        self._sampler: Sampler | None = None

    def _build(self, codec: TokenCodec) -> AutoregressiveModel:
        c = self.config
        model = AutoregressiveModel(codec.tokens, width=c.width, hidden=c.hidden, dropout=c.dropout, seed=self.seed)
        return model.to(self.device)

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        c, model = self.config, self._build(codec)
        rows = torch.from_numpy(tokens_NT).to(self.device)
        orders = Orders(codec, c.natural_share)
        batch_rows = rows_at_once(c.batch_rows, len(codec.tokens))

        def loss(at: Tensor, noise: torch.Generator) -> Tensor:
            masks = order_masks(orders.drawn(len(at), noise).to(self.device))
            return model.losses(rows[at].long(), masks, noise).sum(dim=1).mean()

        def held_out(at: Tensor) -> float:
            noise = torch.Generator(device=self.device).manual_seed(self.seed)
            total = 0.0
            for part in torch.split(at, rows_at_once(LOOK_ROWS, len(codec.tokens))):
                masks = order_masks(orders.drawn(len(part), noise).to(self.device))
                total += float(model.losses(rows[part].long(), masks, None).sum())
            return total / len(at)

        run = train(
            model, loss, held_out, len(rows), seed=self.seed, device=self.device, progress=progress,
            checkpoint=checkpoint,
            schedule=Schedule(
                steps=c.most_steps if codec.tokens else 0, batch_rows=batch_rows,
                learning_rate=slowed(c.learning_rate, len(rows)),
                check_every=looks_every(len(rows), batch_rows), patience=PATIENCE, time_budget_seconds=budget_seconds,
            ),
        )  # fmt: skip
        self._adopt(model)
        return run

    def _adopt(self, model: AutoregressiveModel) -> None:
        self._model, self._sampler = model.eval(), None

    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        codec = self._fitted()
        if self._sampler is None:
            assert self._model is not None  # noqa: S101 set together with the codec
            self._sampler = Sampler(self._model)
        if self.config.order is Order.NATURAL or wanted.given or wanted.allowed:
            return draw_tokens(self._sampler, codec, natural_order(codec.tokens), rows, generator, wanted)
        parts = []
        for start in range(0, rows, SAME_ORDER_ROWS):
            order = random_order(codec.tokens, generator)
            parts.append(self._sampler.draw(min(SAME_ORDER_ROWS, rows - start), order, generator).tokens_NT)
        return np.concatenate(parts) if parts else np.zeros((0, len(codec.tokens)), dtype=np.int32)

    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        assert self._model is not None  # noqa: S101 set together with the codec
        return parameters_of(self._model), asdict(self.config)

    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        self.config = replace(self.config, **{**document, "order": Order(document["order"])})
        model = self._build(codec)
        load_parameters(model, tensors)
        self._adopt(model)


def looks_every(rows: int, batch_rows: int) -> int:
    """Steps between looks at the held-out loss: four passes over the rows, 20 to 100 steps. Small tables are learned by
    heart within a hundred."""
    return max(20, min(100, round(4 * rows / batch_rows)))


def slowed(learning_rate: float, rows: int) -> float:
    """The rate for so many rows: below `FULL_RATE_ROWS` it falls with them, to a quarter at most."""
    return learning_rate * max(0.25, min(1.0, rows / FULL_RATE_ROWS))


def rows_at_once(most: int, tokens: int) -> int:
    """So many rows, or fewer where their masks (rows × tokens × tokens) would take more than `MOST_MASK_BYTES`."""
    return max(8, min(most, MOST_MASK_BYTES // (4 * max(1, tokens) ** 2)))


class Orders:
    """Orders of tokens for training: some natural, the others random, a column's second token after its first."""

    def __init__(self, codec: TokenCodec, natural_share: float) -> None:
        self.natural = torch.tensor(natural_order(codec.tokens))
        self.natural_share = natural_share
        self.second = torch.tensor([t for t, token in enumerate(codec.tokens) if token.second], dtype=torch.long)

    def drawn(self, rows: int, noise: torch.Generator) -> Tensor:
        """(B, T)."""
        place_BT = torch.rand(rows, len(self.natural), generator=noise, device=noise.device).cpu()
        if len(self.second):
            place_BT[:, self.second] = place_BT[:, self.second - 1] + 1e-6
        order_BT = place_BT.argsort(dim=1)
        order_BT[: int(rows * self.natural_share)] = self.natural
        return order_BT
