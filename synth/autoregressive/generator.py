"""The autoregressive generator: the default, by quality.

Any columns can be conditioned on, since rows were learned in every order: what is asked for is drawn (or given) first,
and the rest in its light. Several conditions at once are met by drawing more beginnings than rows and keeping them as
their probability says (sampling-importance resampling, Rubin 1987).

Shape legend: N rows, B rows of a batch, T tokens.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from detectors.base import Tensors
from synth.autoregressive.model import AutoregressiveModel, natural_order, order_masks
from synth.autoregressive.sampler import Drawn, Sampler
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.codec.column import FloatArray
from synth.errors import ImpossibleConditionsError
from synth.token_generator import TokenArray, TokenGenerator
from synth.training import Run, Schedule, train
from synth.wanted import LEAST_SHARE, Wanted

LOOK_ROWS = 1_024
BEGINNINGS = 8
"""Drawn for each row where several conditions meet."""


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

        def loss(at: Tensor, noise: torch.Generator) -> Tensor:
            masks = order_masks(orders.drawn(len(at), noise).to(self.device))
            return model.losses(rows[at].long(), masks, noise).sum(dim=1).mean()

        def held_out(at: Tensor) -> float:
            noise = torch.Generator(device=self.device).manual_seed(self.seed)
            total = 0.0
            for part in torch.split(at, LOOK_ROWS):
                masks = order_masks(orders.drawn(len(part), noise).to(self.device))
                total += float(model.losses(rows[part].long(), masks, None).sum())
            return total / len(at)

        run = train(
            model, loss, held_out, len(rows), seed=self.seed, device=self.device, progress=progress,
            checkpoint=checkpoint,
            schedule=Schedule(
                steps=c.most_steps if codec.tokens else 0, batch_rows=c.batch_rows, learning_rate=c.learning_rate,
                time_budget_seconds=budget_seconds,
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
        order, weights = self._order(codec, generator), wanted.weights(codec)
        if not weights:
            return self._sampler.draw(rows, order, generator, given=wanted.given).tokens_NT
        begun = self._begun(rows, list(weights), weights, generator, wanted)
        given = wanted.given | {t: np.ascontiguousarray(begun[:, t]) for t in weights}
        return self._sampler.draw(rows, order, generator, given=given).tokens_NT

    def _order(self, codec: TokenCodec, generator: np.random.Generator) -> list[int]:
        return natural_order(codec.tokens)

    def _begun(
        self,
        rows: int,
        first: list[int],
        weights: dict[int, FloatArray],
        generator: np.random.Generator,
        wanted: Wanted,
    ) -> TokenArray:
        """The conditioned tokens of each row, drawn as often as the model holds them probable."""
        assert self._sampler is not None  # noqa: S101 made by the caller
        tokens = self._fitted().tokens
        partners = {t: t - 1 for t in first if tokens[t].second}
        if len(first) == 1:
            drawn = self._sampler.draw(rows, first, generator, given=wanted.given, weights=weights)
            _refuse_rare(drawn)
            return drawn.tokens_NT
        repeated = {t: np.repeat(classes_N, BEGINNINGS) for t, classes_N in wanted.given.items()}
        drawn = self._sampler.draw(
            rows * BEGINNINGS, first, generator, given=repeated, weights=weights, partners=partners
        )
        _refuse_rare(drawn)
        if not wanted.given:
            kept = generator.choice(len(drawn.mass_N), rows, p=drawn.mass_N / drawn.mass_N.sum())
            return drawn.tokens_NT[kept]
        mass_NB = np.maximum(drawn.mass_N.reshape(rows, BEGINNINGS), 1e-300).cumsum(axis=1)
        chosen_N = (mass_NB < generator.random((rows, 1)) * mass_NB[:, -1:]).sum(axis=1)
        kept_NT: TokenArray = drawn.tokens_NT[np.arange(rows) * BEGINNINGS + chosen_N]
        return kept_NT

    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        assert self._model is not None  # noqa: S101 set together with the codec
        return {name: p.detach().cpu().numpy() for name, p in self._model.named_parameters()}, asdict(self.config)

    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        self.config = replace(self.config, **document)
        model = self._build(codec)
        load_parameters(model, tensors)
        self._adopt(model)


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


def load_parameters(model: torch.nn.Module, tensors: Tensors) -> None:
    """Put saved parameters into a model built alike. Raises IncompatibleArtifactError where they do not fit."""
    from detectors.errors import IncompatibleArtifactError

    try:
        model.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in tensors.items()}, strict=True)
    except RuntimeError as error:
        raise IncompatibleArtifactError(f"weights.safetensors does not fit document.json: {error}") from error


def _refuse_rare(drawn: Drawn) -> None:
    share = float(drawn.mass_N.mean())
    if share < LEAST_SHARE:
        raise ImpossibleConditionsError(
            f"the conditions together fit about {share:.1e} of the rows, too few to draw from: loosen one of them"
        )
