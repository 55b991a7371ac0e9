"""The blend: four views of a row, each as nats of its own tail, joined by their Euclidean norm.

score = √(Σ_v t_v²), t_v the tail nats of view v (`tail_map.py`): the VAE over bins, and neighbours, relations and
centres over the standardised matrix (`views.py`). The norm lets a view that is sure outvote views that see nothing,
without a weight that labels would have to set; a plain sum ranks a little worse (docs/decisions/0017-blend.md). The
views of the matrix count by the share of varying columns that are numbers or times: of names they see the rarity only.

Training rows are contaminated. A first round of the cheap views ranks them; relations and centres are fitted again
without the worst quarter. Neighbours are not: their random subsets seldom hold an anomaly, and rare habits must stay.

A row's score is shared out over columns: one part by each view's t_v² in proportion to what each column added beyond
its usual, the rest by how far the other columns contradict each (`conditional.py`). Contributions add up to the score.
Expected values and ranges of numbers come from the relations view, which predicts each column from the others without
looking at the column itself; those of names from the VAE.

Fails where anomalies lie inside the normal rows' range, combinations and density, where they are more than a third
of the rows and alike, and after drift.

Shape legend: B rows, F columns of the table, D columns of the matrix, V views.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.blend.conditional import Conditional
from detectors.blend.expected import Expected
from detectors.blend.matrix import Matrix
from detectors.blend.panel import Panel
from detectors.errors import NotFittedError
from detectors.features import Encoded, FeatureCodec
from detectors.reasons import reasons
from detectors.vae import Config as VaeConfig
from detectors.vae import VaeDetector

CHUNK_ROWS = 4_096
"""Rows scored at once on a CPU: more spill out of its caches, fewer pay for calls."""
GPU_CHUNK_ROWS = 65_536
RELATIONS_SHARE = 2 / 3
"""Of a row's score, what is shared out by how far the other columns contradict each (docs/decisions/0017-blend.md)."""
PANEL_ROWS = 20_000
"""Training rows that the views of the matrix learn from and tails are fitted to, evenly spaced in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of the blend. The defaults are one recipe for all streams."""

    vae: VaeConfig = field(default_factory=lambda: VaeConfig(members=1, trim_share=0.05, steps=200, learning_rate=1e-2))


class BlendDetector(Detector):
    """See the module's head. `device` is "cpu" or "cuda", as the caller resolved it."""

    name: ClassVar[str] = "blend"
    version: ClassVar[int] = 2

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self.config = config or Config()
        self._codec: FeatureCodec | None = None
        self._vae = self._new_vae()
        self._panel: Panel | None = None
        self._expected: Expected | None = None

    def _new_vae(self) -> VaeDetector:
        return VaeDetector(
            seed=self.seed,
            time_budget_seconds=self.time_budget_seconds,
            device=self.device,
            config=self.config.vae,
        )

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Learn the encoding, the VAE on all rows, and the other views and all tails on at most `PANEL_ROWS`."""
        started = monotonic()
        codec = FeatureCodec.fit(table, vocabulary_limit=self.config.vae.vocabulary_limit)
        encoded = codec.encode(table)
        report = self._vae.fit_encoded(codec, encoded, progress=_first_part(progress))
        sample = _evenly(encoded, PANEL_ROWS)
        matrix = Matrix.fit(codec, sample)
        generator = np.random.default_rng(self.seed)
        vae_B = self._vae.score_encoded(sample)
        panel = Panel.fit(matrix.of(sample), vae_B, generator, plain_share=matrix.plain_share)
        panel.learn_usual(matrix, self._vae.by_column(_evenly(sample, 2_000))[0], matrix.of(_evenly(sample, 2_000)))
        self._codec, self._panel = codec, panel.to(self.device)
        self._matrix = matrix
        self._expected = Expected.fit(matrix, panel.relations, sample)
        self._conditional = Conditional.fit(codec, sample)
        if progress is not None:
            progress(1.0, "four views fitted")
        return replace(report, seconds=monotonic() - started)

    def _fitted(self) -> tuple[FeatureCodec, Panel, Expected]:
        if self._codec is None or self._panel is None or self._expected is None:
            raise NotFittedError("the blend was neither fitted nor loaded: call fit or from_state first")
        return self._codec, self._panel, self._expected

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """Norm of the views' tail nats, (B,)."""
        return np.asarray(np.sqrt(np.square(self.views(batch)).sum(axis=0)), dtype=np.float64)

    def views(self, batch: pa.RecordBatch) -> FloatArray:
        """Tail nats of each view, (V, B); rows in the order of `panel.NAMES`."""
        codec, panel, _ = self._fitted()
        encoded = codec.encode(batch)
        nats_VB = np.empty((len(panel.tails), batch.num_rows))
        for start, stop in self._chunks(batch.num_rows):
            part = encoded.columns(start, stop)
            nats_VB[:, start:stop] = panel.tail_nats(self._tensor(part), self._vae.score_encoded(part))
        return nats_VB

    def _tensor(self, encoded: Encoded) -> torch.Tensor:
        return torch.from_numpy(self._matrix.of(encoded)).to(self.device)

    def _chunks(self, rows: int) -> list[tuple[int, int]]:
        size = CHUNK_ROWS if self.device == "cpu" else GPU_CHUNK_ROWS
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` columns by contribution, with what the other columns made plausible in their place."""
        codec, panel, expected = self._fitted()
        found: list[tuple[Reason, ...]] = []
        for start, stop in self._chunks(batch.num_rows):
            part = batch.slice(start, stop - start)
            encoded = codec.encode(part)
            vae_FB, chances = self._vae.by_column(encoded)
            z_DB = self._tensor(encoded)
            shares_FB = self._contributions(encoded, z_DB, vae_FB)
            plain = reasons(codec, part, shares_FB, chances, top=top)
            found += expected.improve(plain, panel.relations, z_DB)
        return found

    def _contributions(self, encoded: Encoded, z_DB: torch.Tensor, vae_FB: FloatArray) -> FloatArray:
        """Each row's score shared out over columns, (F, B)."""
        plain_FB = self._fitted()[1].contributions(self._matrix, z_DB, self._vae.score_encoded(encoded), vae_FB)
        return _with_relations(plain_FB, self._conditional.shares(encoded))

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        return self._fitted()[0].names

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """All views' arrays; settings and encoding as JSON."""
        _, panel, expected = self._fitted()
        vae_tensors, vae_document = self._vae.state()
        tensors = {f"vae.{name}": value for name, value in vae_tensors.items()}
        tensors |= {f"matrix.{name}": value for name, value in self._matrix.state().items()}
        tensors |= {f"panel.{name}": value for name, value in panel.state().items()}
        tensors |= {f"expected.{name}": value for name, value in expected.state().items()}
        tensors |= {f"conditional.{name}": value for name, value in self._conditional.state().items()}
        config = asdict(self.config)
        document = {"name": self.name, "version": self.version, "seed": self.seed, "config": config}
        return tensors, {**document, "time_budget_seconds": self.time_budget_seconds, "vae": vae_document}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described, ready to score on `device`."""
        check_made_by(document, name=cls.name, version=cls.version)
        config = Config(vae=VaeConfig(**document["config"]["vae"]))
        seed, budget = document["seed"], document["time_budget_seconds"]
        detector = cls(seed=seed, time_budget_seconds=budget, device=device, config=config)
        codec = FeatureCodec.from_document(document["vae"]["features"])
        detector._vae = VaeDetector.from_state(_of(tensors, "vae"), document["vae"], device=device, codec=codec)
        detector._codec, detector._matrix = codec, Matrix.from_state(codec, _of(tensors, "matrix"))
        detector._panel = Panel.from_state(_of(tensors, "panel")).to(device)
        detector._expected = Expected.from_state(detector._matrix, _of(tensors, "expected"))
        detector._conditional = Conditional.from_state(codec, _of(tensors, "conditional"))
        return detector


def _with_relations(plain_FB: FloatArray, share_FB: FloatArray) -> FloatArray:
    """Each row's score, one part shared out as its views say, the rest as the other columns contradict it, (F, B)."""
    return np.asarray((1.0 - RELATIONS_SHARE) * plain_FB + RELATIONS_SHARE * share_FB * plain_FB.sum(axis=0))


def _of(tensors: Tensors, owner: str) -> Tensors:
    """The arrays of one part, under their own names."""
    return {name[len(owner) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{owner}.")}


def _evenly(encoded: Encoded, most: int) -> Encoded:
    """At most so many rows, evenly spaced."""
    rows = encoded.classes_PB.shape[1]
    if rows <= most:
        return encoded
    at: npt.NDArray[np.int64] = np.linspace(0, rows - 1, most).astype(np.int64)
    return Encoded(
        encoded.inputs_IB[:, at], encoded.codes_PB[:, at], encoded.classes_PB[:, at], encoded.extra_PB[:, at]
    )


def _first_part(progress: Progress | None) -> Progress | None:
    """The VAE's share of the work."""
    if progress is None:
        return None
    return lambda fraction, text: progress(0.8 * fraction, text)
