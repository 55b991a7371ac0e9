"""The tabular VAE detector: score = −log p(row | z at the encoder's mean), summed over features.

An's and Cho's reconstruction probability (2015) with categorical likelihoods over bins and levels. The score is a
sum over features, so a feature's contribution is exact, not an attribution. Departures from the paper: one z at the
mean instead of draws (a row's score must not depend on chance), likelihoods on classes instead of Gaussians, fixed
costs for what training never showed. More members (`Config.members`) steady the score between seeds, at the price of
speed; on the tables tried one was as good as two.

Works on mixed tables with a bulk that repeats; weak where anomalies keep to every feature's usual bin and to the
usual combinations, on features whose fine differences matter (seven bins a number), and on rows after drift.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.channels.levels import VOCABULARY_LIMIT
from detectors.errors import IncompatibleArtifactError, NotFittedError
from detectors.features import Encoded, FeatureCodec
from detectors.reasons import column_sums, reasons
from detectors.training import Schedule, train
from detectors.vae_model import TabularVae

CPU_CHUNK_ROWS = 4_096
"""Rows scored at once: few enough for a group's logits to stay in a core's cache."""
GPU_CHUNK_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of the VAE. The defaults are one recipe for all streams."""

    members: int = 1
    hidden: int = 32
    latent: int = 2
    steps: int = 400
    batch_rows: int = 512
    learning_rate: float = 5e-3
    trim_share: float = 0.02
    """Of each batch, the worst rows that are not learned from. More survives more contamination, and forgets habits of
    normal rows rarer than it: measured in docs/decisions/0011-trimming.md."""
    vocabulary_limit: int = VOCABULARY_LIMIT


class VaeDetector(Detector):
    """See the module's head. `device` is "cpu" or "cuda", as the caller resolved it."""

    name: ClassVar[str] = "vae"
    version: ClassVar[int] = 1

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self.config = config or Config()
        self._codec: FeatureCodec | None = None
        self._model: TabularVae | None = None

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Learn the encoding, then the members, on all rows (a part held out for early stopping)."""
        codec = FeatureCodec.fit(table, vocabulary_limit=self.config.vocabulary_limit)
        return self.fit_encoded(codec, codec.encode(table), progress=progress)

    def fit_encoded(self, codec: FeatureCodec, encoded: Encoded, *, progress: Progress | None = None) -> FitReport:
        """Learn the members on rows that `codec` encoded."""
        started, rows = monotonic(), encoded.classes_PB.shape[1]
        model = self._build(codec)
        # Rows beside each other: a batch of rows drawn at random then touches each row once, not once a column.
        inputs_BI = torch.from_numpy(encoded.inputs_IB).to(self.device).t().contiguous()
        classes_BP = torch.from_numpy(encoded.classes_PB).to(self.device).t().contiguous()
        run = train(
            model,
            lambda at, noise: model.row_loss(inputs_BI[at].t(), classes_BP[at].t().long(), noise),
            rows,
            schedule=Schedule(
                steps=self.config.steps if codec.parts else 0,
                batch_rows=self.config.batch_rows,
                learning_rate=self.config.learning_rate,
                trim_share=self.config.trim_share,
                time_budget_seconds=max(0.0, self.time_budget_seconds - (monotonic() - started)),
            ),
            seed=self.seed,
            device=self.device,
            progress=progress,
        )
        model.adopt_unseen(codec.parts)
        self._codec, self._model = codec, model
        return FitReport(
            rows=rows,
            seconds=monotonic() - started,
            epochs=run.epochs,
            stopped_because=run.stopped_because,
            figures={"held_out_nats": run.held_out_nats, "independent_nats": run.first_nats, "steps": float(run.steps)},
        )

    def _build(self, codec: FeatureCodec) -> TabularVae:
        c = self.config
        model = TabularVae(
            codec.parts, codec.input_count, members=c.members, hidden=c.hidden, latent=c.latent, seed=self.seed
        )
        return model.to(self.device)

    def _fitted(self) -> tuple[FeatureCodec, TabularVae]:
        if self._codec is None or self._model is None:
            raise NotFittedError("the VAE was neither fitted nor loaded: call fit or from_state first")
        return self._codec, self._model

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """−log p of each row in nats, (B,)."""
        return self.score_encoded(self._fitted()[0].encode(batch))

    def score_encoded(self, encoded: Encoded) -> FloatArray:
        """−log p of rows that this detector's codec encoded, in nats, (B,)."""
        codec, model = self._fitted()
        scores_B: FloatArray = encoded.extra_PB.sum(axis=0, dtype=np.float64)
        if codec.parts:
            for start, stop in self._chunks(encoded.classes_PB.shape[1]):
                inputs_IB, classes_PB = self._tensors(encoded.columns(start, stop))
                scores_B[start:stop] += model.total_nats(inputs_IB, classes_PB).cpu().numpy()
        return scores_B

    def _chunks(self, rows: int) -> list[tuple[int, int]]:
        size = CPU_CHUNK_ROWS if self.device == "cpu" else GPU_CHUNK_ROWS
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def _tensors(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        inputs_IB = torch.from_numpy(encoded.inputs_IB).to(self.device)
        return inputs_IB, torch.from_numpy(encoded.classes_PB).to(self.device).long()

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` features by contribution, with what the members held plausible in their place."""
        codec, _ = self._fitted()
        found: list[tuple[Reason, ...]] = []
        for start, stop in self._chunks(batch.num_rows):
            part = batch.slice(start, stop - start)
            contributions_FB, chances = self.by_column(codec.encode(part))
            found += reasons(codec, part, contributions_FB, chances, top=top)
        return found

    def by_column(self, encoded: Encoded) -> tuple[FloatArray, list[npt.NDArray[np.float32]]]:
        """What each column added to the score of encoded rows (F, B), and what was held plausible (see `reasons`)."""
        codec, model = self._fitted()
        nats_PB, chances = self._outcomes(model, encoded)
        return column_sums(nats_PB + encoded.extra_PB, codec.column_of_part, len(codec.names)), chances

    @torch.no_grad()
    def part_nats(self, encoded: Encoded) -> Tensor:
        """−log p of each part of encoded rows, in nats, on the detector's device, (P, B)."""
        _, model = self._fitted()
        extra_PB = torch.from_numpy(encoded.extra_PB).to(self.device)
        if not len(encoded.classes_PB):
            return extra_PB
        inputs_IB, classes_PB = self._tensors(encoded)
        logits = model.decode(model.encode(inputs_IB, classes_PB)[0])
        return model.part_nats(logits, classes_PB).mean(dim=0) + extra_PB

    @torch.no_grad()
    def _outcomes(self, model: TabularVae, encoded: Encoded) -> tuple[FloatArray, list[npt.NDArray[np.float32]]]:
        """Mean −log p of each part (P, B), and the members' mean probability of each part's classes (K, B)."""
        if not len(encoded.classes_PB):
            return np.zeros(encoded.classes_PB.shape), []
        inputs_IB, classes_PB = self._tensors(encoded)
        logits = model.decode(model.encode(inputs_IB, classes_PB)[0])
        chances: dict[int, npt.NDArray[np.float32]] = {}
        for (_, at), logits_MKGB in zip(model.groups, logits, strict=True):
            chance_KGB = logits_MKGB.softmax(dim=1).mean(dim=0).cpu().numpy()
            chances |= {i: chance_KGB[:, g] for g, i in enumerate(at)}
        nats_PB = model.part_nats(logits, classes_PB).mean(dim=0).cpu().numpy().astype(np.float64)
        return nats_PB, [chances[i] for i in range(len(chances))]

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """The members' weights; settings and encoding as JSON."""
        codec, model = self._fitted()
        tensors = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
        settings = {"seed": self.seed, "time_budget_seconds": self.time_budget_seconds, "config": asdict(self.config)}
        return tensors, {"name": self.name, "version": self.version, **settings, "features": codec.document()}

    @classmethod
    def from_state(
        cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu", codec: FeatureCodec | None = None
    ) -> Self:
        """The detector that `state` described, ready to score on `device`; with `codec`, it shares that encoding."""
        check_made_by(document, name=cls.name, version=cls.version)
        config = Config(**document["config"])
        detector = cls(
            seed=document["seed"], time_budget_seconds=document["time_budget_seconds"], device=device, config=config
        )
        detector._codec = codec or FeatureCodec.from_document(document["features"])
        detector._model = detector._build(detector._codec)
        try:
            detector._model.load_state_dict({name: torch.tensor(value) for name, value in tensors.items()})
        except RuntimeError as error:
            raise IncompatibleArtifactError(f"weights.safetensors does not fit document.json: {error}") from error
        return detector

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        return self._fitted()[0].names
