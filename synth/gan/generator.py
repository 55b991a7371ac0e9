"""The conditional GAN over tokens: adversarial, with the pairwise loss as an option that the record names.

The network that draws is that of `autoregressive/`, token by token in its natural order, or after a token that was
given; no likelihood is shown to it. It learns from the critic alone (`pairwise=0`, purely adversarial), or from it and
from the joint frequencies of all pairs of columns. In training every second row has one column fixed to a real row's
value, so that conditions are learned as well.

Shape legend: B rows, T tokens, E classes of all tokens.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.base import Tensors
from synth.autoregressive.drawing import draw_tokens
from synth.autoregressive.model import AutoregressiveModel, natural_order
from synth.autoregressive.sampler import Sampler
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.gan.critic import PACK_ROWS, Critic, penalty
from synth.gan.look import HeldOutLook
from synth.gan.pairs import PairLoss, pair_frequencies
from synth.gan.unroll import one_hot, unrolled
from synth.parameters import load_parameters, parameters_of
from synth.token_generator import TokenArray, TokenGenerator
from synth.training import Run, Schedule, train
from synth.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings; the defaults are one recipe for all tables."""

    pairwise: float = 0.05
    """Weight of the pairwise loss; 0 is purely adversarial."""
    width: int = 128
    hidden: int = 128
    critic_hidden: int = 256
    batch_rows: int = 256
    learning_rate: float = 4e-4
    critic_multiple: float = 2.5
    """The critic learns at this multiple of the rate. Faster players circle each other and drift apart."""
    penalty_weight: float = 0.02
    penalty_share: float = 0.25
    """Of a batch's rows, those at which the critic's gradients are looked at."""
    most_steps: int = 1_600
    check_every: int = 200


class Pair(nn.Module):
    """The two players, trained side by side."""

    def __init__(self, codec: TokenCodec, config: Config, seed: int) -> None:
        super().__init__()
        c = config
        self.drawer = AutoregressiveModel(codec.tokens, width=c.width, hidden=c.hidden, dropout=0.0, seed=seed)
        self.critic = Critic(codec.tokens, hidden=c.critic_hidden, generator=torch.Generator().manual_seed(seed + 1))


class GanGenerator(TokenGenerator):
    """See the module's head."""

    name: ClassVar[str] = "gan"
    version: ClassVar[int] = 1

    def __init__(self, *, config: Config | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.config = config or Config()
        self._model: AutoregressiveModel | None = None
        self._sampler: Sampler | None = None

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        c = self.config
        pair = Pair(codec, c, self.seed).to(self.device)
        rows = torch.from_numpy(tokens_NT).to(self.device)
        game = _Game(pair, codec, rows, c)
        look = HeldOutLook(pair.drawer, codec, rows, seed=self.seed)
        run = train(
            pair, game.loss, look, len(rows), seed=self.seed, device=self.device, progress=progress,
            checkpoint=checkpoint, unit="told apart, held out",
            schedule=Schedule(
                steps=c.most_steps, batch_rows=c.batch_rows, learning_rate=c.learning_rate, betas=(0.0, 0.99),
                weight_decay=0.0, clip=100.0, average=0.99, multiples=(("critic.", c.critic_multiple),),
                check_every=c.check_every, time_budget_seconds=budget_seconds,
            ),
        )  # fmt: skip
        self._model, self._sampler = pair.drawer.eval(), None
        return run

    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        if self._sampler is None:
            assert self._model is not None  # noqa: S101 set together with the codec
            self._sampler = Sampler(self._model)
        codec = self._fitted()
        return draw_tokens(self._sampler, codec, natural_order(codec.tokens), rows, generator, wanted)

    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        assert self._model is not None  # noqa: S101 set together with the codec
        return parameters_of(self._model), asdict(self.config)

    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        self.config = replace(self.config, **document)
        model = Pair(codec, self.config, self.seed).drawer.to(self.device)
        load_parameters(model, tensors)
        self._model, self._sampler = model.eval(), None


class _Game:
    """Both players' losses in one number: each player's gradient comes from its own part alone."""

    def __init__(self, pair: Pair, codec: TokenCodec, rows: Tensor, config: Config) -> None:
        self.pair, self.rows, self.config = pair, rows, config
        self.order = natural_order(codec.tokens)
        self.starts_T = pair.drawer.get_buffer("starts_T")
        self.classes = sum(pair.drawer.sizes)
        self.pairs = None
        if config.pairwise > 0.0:
            self.pairs = PairLoss(pair_frequencies(rows, self.starts_T, self.classes))

    def loss(self, at: Tensor, noise: torch.Generator) -> Tensor:
        """The drawer's loss (through a critic that stands still) plus the critic's (on rows that stand still)."""
        critic, tokens_BT = self.pair.critic, self.rows[at].long()
        real_BE = one_hot(tokens_BT, self.starts_T, self.classes)
        made_BE = unrolled(self.pair.drawer, self.order, tokens_BT, self._conditions(len(at), noise), noise)
        still = {name: value.detach() for name, value in critic.named_parameters()}
        buffers = dict(critic.named_buffers())
        mix = torch.randperm(len(at), generator=noise, device=at.device)
        seen_real, seen_made = real_BE[mix], made_BE.detach()
        reality = critic(seen_real)
        told = reality - critic(seen_made)
        drawn = torch.func.functional_call(critic, (still, buffers), (made_BE,))
        total = functional.softplus(-told).mean() + functional.softplus(reality.detach() - drawn).mean()
        few = int(len(at) * self.config.penalty_share) // PACK_ROWS * PACK_ROWS
        slopes = penalty(critic, seen_real[:few]) + penalty(critic, seen_made[:few])
        total = total + 0.5 * self.config.penalty_weight * slopes
        if self.pairs is not None:
            total = total + self.config.pairwise * self.pairs(made_BE)
        return total

    def _conditions(self, rows: int, noise: torch.Generator) -> Tensor:
        """The token that is given in each row, −1 for none."""
        token_B = torch.randint(len(self.order), (rows,), generator=noise, device=noise.device)
        return torch.where(torch.rand(rows, generator=noise, device=noise.device) < 0.5, token_B, -1)
