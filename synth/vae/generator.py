"""The VAE as a generator: one pass of the decoder a row, whatever the number of columns.

Conditions are met by importance: points of the latent space are kept as often as the decoder holds the condition
probable there, and the conditioned columns are then drawn among what is allowed. Fails softly: where a condition is
rare, few points stand for many rows.

Shape legend: N rows, B rows of a block, C candidates, T tokens, K classes of one token, Z latent dimensions.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detectors.base import Tensors
from detectors.training import one_thread
from synth.base import Checkpoint, Progress
from synth.codec import TokenCodec
from synth.codec.column import FloatArray
from synth.errors import ImpossibleConditionsError
from synth.parameters import load_parameters, parameters_of
from synth.picking import pick, pick_all
from synth.token_generator import TokenArray, TokenGenerator
from synth.training import Run, Schedule, train
from synth.vae.model import TokenVae
from synth.vae.prior import Float32Array, Prior
from synth.wanted import LEAST_SHARE, Wanted

BLOCK_ROWS = 4_096
CANDIDATES = 65_536
"""Points of the latent space from which conditioned rows are resampled, at least."""
MOST_SHARED = 64
"""Distinct combinations of given values that are resampled together; more, and each row has candidates of its own."""
OWN_CANDIDATES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings; the defaults are one recipe for all tables."""

    width: int = 192
    latent: int = 16
    encoder_blocks: int = 2
    decoder_blocks: int = 1
    beta: float = 0.5
    batch_rows: int = 512
    learning_rate: float = 2e-3
    most_steps: int = 1_800


class VaeGenerator(TokenGenerator):
    """See the module's head."""

    name: ClassVar[str] = "vae"
    version: ClassVar[int] = 1

    def __init__(self, *, config: Config | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.config = config or Config()
        self._model: TokenVae | None = None
        self._prior: Prior | None = None
        self._head_DE: Tensor | None = None

    def _build(self, codec: TokenCodec) -> TokenVae:
        c = self.config
        model = TokenVae(
            codec.tokens, width=c.width, latent=c.latent, encoder_blocks=c.encoder_blocks,
            decoder_blocks=c.decoder_blocks, seed=self.seed,
        )  # fmt: skip
        return model.to(self.device)

    def _learn(
        self, codec: TokenCodec, tokens_NT: TokenArray, budget_seconds: float, progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> Run:  # fmt: skip
        c, model = self.config, self._build(codec)
        rows = torch.from_numpy(tokens_NT).to(self.device)

        def loss(at: Tensor, noise: torch.Generator) -> Tensor:
            return model.losses(rows[at].long(), noise, c.beta).mean()

        def held_out(at: Tensor) -> float:
            noise = torch.Generator(device=self.device).manual_seed(self.seed)
            return sum(float(model.losses(rows[a].long(), noise, c.beta).sum()) for a in torch.split(at, 1_024)) / len(
                at
            )

        run = train(
            model, loss, held_out, len(rows), seed=self.seed, device=self.device, progress=progress,
            checkpoint=checkpoint,
            schedule=Schedule(
                steps=c.most_steps, batch_rows=c.batch_rows, learning_rate=c.learning_rate,
                time_budget_seconds=budget_seconds * 0.8,
            ),
        )  # fmt: skip
        if progress is not None:
            progress(0.95, "fitting the prior")
        with one_thread(self.device):
            self._prior = Prior.fit(self._posterior(model, rows), seed=self.seed)
        self._model, self._head_DE = model.eval(), None
        return run

    @torch.no_grad()
    def _posterior(self, model: TokenVae, rows: Tensor) -> Float32Array:
        """One draw of z for each row, (N, Z)."""
        noise = torch.Generator(device=self.device).manual_seed(self.seed + 1)
        found = []
        for part in torch.split(rows, BLOCK_ROWS):
            mean, logvar = model.encode(part.long())
            draw = torch.randn(mean.shape, generator=noise, device=self.device)
            found.append((mean + (0.5 * logvar).exp() * draw).cpu().numpy())
        return np.concatenate(found)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def _draw(self, rows: int, generator: np.random.Generator, wanted: Wanted) -> TokenArray:
        codec = self._fitted()
        assert self._prior is not None  # noqa: S101 set together with the codec
        weights = wanted.weights(codec)
        z_NZ = (
            self._prior.draw(rows, generator)
            if not (weights or wanted.given)
            else self._fitting(rows, weights, wanted.given, generator)
        )
        tokens_NT = np.zeros((rows, len(codec.tokens)), dtype=np.int32)
        for start in range(0, rows, BLOCK_ROWS):
            block = slice(start, min(start + BLOCK_ROWS, rows))
            self._draw_block(z_NZ[block], tokens_NT[block], generator, weights)
            if self._label_is_free(weights, wanted.given):
                self._draw_label(z_NZ[block], tokens_NT[block], generator)
        for t, classes_N in wanted.given.items():
            tokens_NT[:, t] = classes_N
        return tokens_NT

    def _draw_block(
        self, z_BZ: Float32Array, out_BT: TokenArray, generator: np.random.Generator, weights: dict[int, FloatArray]
    ) -> None:
        weight_BE = self._weights(z_BZ)
        starts_T = np.concatenate([[0], np.cumsum([token.classes for token in self._fitted().tokens])])
        draw_BT = generator.random((len(z_BZ), len(starts_T) - 1), dtype=np.float32)
        for t, allowed in weights.items():
            own = slice(starts_T[t], starts_T[t + 1])
            if allowed.ndim == 2:  # the second of two tokens: by the first one's class
                pick_all(weight_BE, starts_T, draw_BT, out_BT)
                weight_BE[:, own] *= allowed[out_BT[:, t - 1]]
            else:
                weight_BE[:, own] *= allowed
        pick_all(weight_BE, starts_T, draw_BT, out_BT)

    def _label_is_free(self, weights: dict[int, FloatArray], given: dict[int, TokenArray]) -> bool:
        model = self._laid_out()[0]
        return model.label_head is not None and model.label not in weights and model.label not in given

    @torch.no_grad()
    def _draw_label(self, z_BZ: Float32Array, out_BT: TokenArray, generator: np.random.Generator) -> None:
        """The label once more, in the light of the other columns."""
        model = self._laid_out()[0]
        assert model.label_head is not None  # noqa: S101 asked by the caller
        at_BT = torch.from_numpy(out_BT).long().to(self.device) + model.get_buffer("starts_T")
        logits_BK = model.label_head(torch.from_numpy(z_BZ).to(self.device), at_BT)
        drawn_B = np.zeros(len(z_BZ), dtype=np.int32)
        chance_BK = logits_BK.softmax(dim=1).cpu().numpy()
        pick(chance_BK, np.arange(len(z_BZ)), generator.random(len(z_BZ), dtype=np.float32), drawn_B)
        out_BT[:, model.label] = drawn_B

    @torch.no_grad()
    def _weights(self, z_BZ: Float32Array) -> npt.NDArray[np.float32]:
        """The classes' probabilities up to a factor of each token, (B, E)."""
        model, head_DE = self._laid_out()
        logits_BE = torch.addmm(model.bias_E, model.hidden(torch.from_numpy(z_BZ).to(self.device)), head_DE)
        for part_BK in torch.split(logits_BE, model.sizes, dim=1):
            part_BK -= part_BK.amax(dim=1, keepdim=True)  # only differences within a token mean anything
        return np.asarray(logits_BE.exp_().cpu().numpy())

    def _laid_out(self) -> tuple[TokenVae, Tensor]:
        """The model, and its heads as drawing needs them, (D, E): worked out once."""
        assert self._model is not None  # noqa: S101 set together with the codec
        if self._head_DE is None:
            with torch.no_grad():
                self._head_DE = self._model.heads().t().contiguous()
        return self._model, self._head_DE

    def _chances(self, z_BZ: Float32Array) -> list[npt.NDArray[np.float32]]:
        """Each token's probabilities, (B, K)."""
        sizes = [token.classes for token in self._fitted().tokens]
        parts = np.split(self._weights(z_BZ), np.cumsum(sizes)[:-1], axis=1)
        return [part / part.sum(axis=1, keepdims=True) for part in parts]

    # -- conditions --------------------------------------------------------------------------------------------------

    def _fitting(
        self, rows: int, weights: dict[int, FloatArray], given: dict[int, TokenArray], generator: np.random.Generator
    ) -> Float32Array:
        """Points of the latent space for rows under conditions, (N, Z)."""
        assert self._prior is not None  # noqa: S101 set together with the codec
        if given:
            stacked = np.stack(list(given.values()), axis=1)
            kinds, kind_N = np.unique(stacked, axis=0, return_inverse=True)
        else:
            kinds, kind_N = np.zeros((1, 0), dtype=np.int32), np.zeros(rows, dtype=np.int64)
        if len(kinds) > MOST_SHARED:
            return self._fitting_each(rows, weights, given, generator)
        z_CZ = self._prior.draw(max(CANDIDATES, rows), generator)
        mass_KC = self._masses(z_CZ, weights, [dict(zip(given, kind.tolist(), strict=True)) for kind in kinds])
        found_NZ = np.zeros((rows, z_CZ.shape[1]), dtype=np.float32)
        for kind, mass_C in enumerate(mass_KC):
            at = np.flatnonzero(kind_N.reshape(-1) == kind)
            _refuse_rare(float(mass_C.mean()), bool(weights))
            found_NZ[at] = z_CZ[generator.choice(len(z_CZ), len(at), p=mass_C / mass_C.sum())]
        return found_NZ

    def _fitting_each(
        self, rows: int, weights: dict[int, FloatArray], given: dict[int, TokenArray], generator: np.random.Generator
    ) -> Float32Array:
        """The same where given values differ from row to row: every row chooses among candidates of its own."""
        assert self._prior is not None  # noqa: S101 set together with the codec
        found_NZ = np.zeros((rows, self._prior.mean_MZ.shape[1]), dtype=np.float32)
        step = BLOCK_ROWS // OWN_CANDIDATES * 4
        for start in range(0, rows, step):
            own = slice(start, min(start + step, rows))
            count = own.stop - own.start
            z_CZ = self._prior.draw(count * OWN_CANDIDATES, generator)
            repeated = {t: np.repeat(classes_N[own], OWN_CANDIDATES) for t, classes_N in given.items()}
            [mass_C] = self._masses(z_CZ, weights, [repeated])
            total_NC = np.maximum(mass_C.reshape(count, OWN_CANDIDATES), 1e-300).cumsum(axis=1)
            chosen = (total_NC < generator.random((count, 1)) * total_NC[:, -1:]).sum(axis=1)
            found_NZ[own] = z_CZ[np.arange(count) * OWN_CANDIDATES + chosen]
        return found_NZ

    def _masses(
        self, z_CZ: Float32Array, weights: dict[int, FloatArray], given: list[dict[int, Any]]
    ) -> npt.NDArray[np.float64]:
        """The probability of the conditions at each candidate, for each set of given classes, (sets, C)."""
        tokens = self._fitted().tokens
        mass = np.ones((len(given), len(z_CZ)))
        for start in range(0, len(z_CZ), BLOCK_ROWS):
            block = slice(start, min(start + BLOCK_ROWS, len(z_CZ)))
            chances = self._chances(z_CZ[block])
            for t, weight in weights.items():
                if tokens[t].width == 1:
                    mass[:, block] *= chances[t] @ weight
                elif tokens[t].second:
                    mass[:, block] *= np.einsum("ba,bk,ak->b", chances[t - 1], chances[t], weight)
            for number, classes in enumerate(given):
                for t, own in classes.items():
                    picked = own[block] if isinstance(own, np.ndarray) else own
                    mass[number, block] *= chances[t][np.arange(len(chances[t])), picked]
        return mass

    def _model_state(self) -> tuple[Tensors, dict[str, Any]]:
        assert self._model is not None  # noqa: S101 set together with the codec
        assert self._prior is not None  # noqa: S101 set together with the codec
        prior = {"prior/weight": self._prior.weight_M, "prior/mean": self._prior.mean_MZ}
        tensors = parameters_of(self._model) | prior | {"prior/lower": self._prior.lower_MZZ}
        return tensors, asdict(self.config)

    def _load_model(self, codec: TokenCodec, tensors: Tensors, document: dict[str, Any]) -> None:
        self.config = replace(self.config, **document)
        model = self._build(codec)
        load_parameters(model, {name: value for name, value in tensors.items() if not name.startswith("prior/")})
        self._model, self._head_DE = model.eval(), None
        self._prior = Prior(tensors["prior/weight"], tensors["prior/mean"], tensors["prior/lower"])


def _refuse_rare(share: float, asked: bool) -> None:
    if asked and share < LEAST_SHARE:
        raise ImpossibleConditionsError(
            f"the conditions together fit about {share:.1e} of the rows, too few to draw from: loosen one of them"
        )
