"""ECOD: how far out in its own tail each value lies (Li, Zhao, Hu, Botta, Ionescu, Chen 2022, algorithm 1).

A number costs −log of the share of training rows at or below it (left tail), at or above it (right tail), or in the
tail that the column is skewed to. Summed over columns these are three scores; a row's score is the greatest of them,
and its contributions are that sum's terms. The row itself counts as one training row more, so beyond the extremes a
value costs log(n + 1) and never infinity.

Departures, needed for mixed tables: a level, an hour or a missing value costs −log of its own share (names have no
tails), a level never seen what `LevelsChannel` says. Tails are exact for up to `MOST_KNOTS` distinct values; beyond
that the outermost values stay exact and the middle is read from quantiles.

A baseline: no tuning, good where one column gives an anomaly away; blind to combinations, and to gaps in the middle.

Shape legend: B rows, F columns, P parts, V knots of all columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.channels.base import Float32Array, Part
from detectors.channels.numeric import NumericChannel
from detectors.errors import NotFittedError
from detectors.features import Encoded, FeatureCodec
from detectors.reasons import column_sums, reasons

MOST_KNOTS = 4_096
MOST_SKEW_DEVIATIONS = 1e6
"""Standardised values are clipped here before the third moment: the sign is wanted, not an overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of ECOD."""

    max_rows: int = 500_000
    """Rows the tails are read from, drawn at random where there are more."""


class EcodDetector(Detector):
    """See the module's head. Runs on the CPU whatever `device` says."""

    name: ClassVar[str] = "ecod"
    version: ClassVar[int] = 1

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self.config = config or Config()
        self._codec: FeatureCodec | None = None
        self._arrays: Tensors = {}

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Sort every column once; the time budget is not needed."""
        started = monotonic()
        codec = FeatureCodec.fit(table)
        if table.num_rows > self.config.max_rows:
            rows = np.random.default_rng(self.seed).choice(table.num_rows, self.config.max_rows, replace=False)
            table = table.take(pa.array(np.sort(rows)))
        self._arrays, self._codec = _tails(codec, codec.encode(table)), codec
        if progress is not None:
            progress(1.0, "tails sorted")
        return FitReport(
            rows=codec.rows,
            seconds=monotonic() - started,
            epochs=1,
            stopped_because="closed form",
            figures={"knots": float(len(self._arrays["knots_V"])), "columns": float(len(codec.names))},
        )

    def _fitted(self) -> FeatureCodec:
        if self._codec is None:
            raise NotFittedError("ECOD was neither fitted nor loaded: call fit or from_state first")
        return self._codec

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """The greatest of the three sums of tail nats, (B,)."""
        codec = self._fitted()
        encoded = codec.encode(batch)
        sums_3B = np.zeros((3, batch.num_rows))
        for _, nats_3B in self._column_nats(codec, encoded):
            sums_3B += nats_3B
        return np.asarray(sums_3B.max(axis=0), dtype=np.float64)

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` features by their term; expected values are those of the training rows as a whole."""
        codec = self._fitted()
        return reasons(codec, batch, self._contributions(codec, codec.encode(batch)), None, top=top)

    def _contributions(self, codec: FeatureCodec, encoded: Encoded) -> FloatArray:
        B = encoded.inputs_IB.shape[1]
        nats_3FB = np.zeros((3, len(codec.names), B))
        for f, nats_3B in self._column_nats(codec, encoded):
            nats_3FB[:, f] = nats_3B
        winner_B = nats_3FB.sum(axis=1).argmax(axis=0)
        return np.asarray(nats_3FB[winner_B, :, np.arange(B)].T, dtype=np.float64)

    def _column_nats(self, codec: FeatureCodec, encoded: Encoded) -> Iterator[tuple[int, FloatArray]]:
        """Nats of each column in the left, the right and the skewed-to tail, (3, B)."""
        level_PB = _level_nats(codec, encoded)
        level_FB = column_sums(level_PB, codec.column_of_part, len(codec.names))
        for f, channel in enumerate(codec.channels):
            if isinstance(channel, NumericChannel):
                yield f, self._number_nats(codec, encoded, f)
            else:
                yield f, np.broadcast_to(level_FB[f], (3, level_FB.shape[1]))

    def _number_nats(self, codec: FeatureCodec, encoded: Encoded, f: int) -> FloatArray:
        p, i = _first(codec.column_of_part, f), _first(codec.column_of_input, f)
        a = self._arrays
        at = slice(int(a["first_F"][f]), int(a["first_F"][f + 1]))
        steps = slice(at.start + f, at.stop + f + 1)  # one step more than knots in every column
        x_B = encoded.inputs_IB[i]
        left_B = a["left_nats"][steps][np.searchsorted(a["knots_V"][at], x_B, side="right")]
        right_B = a["right_nats"][steps][np.searchsorted(a["knots_V"][at], x_B, side="left")]
        skewed_B = left_B if a["skew_F"][f] < 0 else right_B
        missing_B = encoded.classes_PB[p] == codec.parts[p].classes - 1
        return np.where(missing_B, _class_nats(codec.parts[p])[-1], np.stack([left_B, right_B, skewed_B]))

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Knots and their nats; settings and encoding as JSON."""
        codec = self._fitted()
        settings = {"seed": self.seed, "time_budget_seconds": self.time_budget_seconds, "config": asdict(self.config)}
        document = {"name": self.name, "version": self.version, **settings, "features": codec.document()}
        return dict(self._arrays), document

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described."""
        check_made_by(document, name=cls.name, version=cls.version)
        detector = cls(
            seed=document["seed"],
            time_budget_seconds=document["time_budget_seconds"],
            device=device,
            config=Config(**document["config"]),
        )
        detector._codec = FeatureCodec.from_document(document["features"])
        detector._arrays = dict(tensors)
        return detector

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        return self._fitted().names


def _first(owner: npt.NDArray[np.int64], f: int) -> int:
    return int(np.searchsorted(owner, f))


def _class_nats(part: Part) -> FloatArray:
    """−log of each class's share of the training rows, (K,); what training never showed costs as `Part` says."""
    rows = float(part.counts_K.sum())
    seen_K = -np.log(np.maximum(part.counts_K, 1.0) / max(rows, 1.0))
    return np.where(part.counts_K > 0, seen_K, part.unseen_nats_K)


def _level_nats(codec: FeatureCodec, encoded: Encoded) -> Float32Array:
    """Nats of the classes of every part that is not a number's, (P, B); 0 for numbers, whose tails tell more."""
    nats_PB = np.zeros_like(encoded.extra_PB)
    for p, part in enumerate(codec.parts):
        if not isinstance(codec.channels[codec.column_of_part[p]], NumericChannel):
            nats_PB[p] = _class_nats(part)[encoded.classes_PB[p]] + encoded.extra_PB[p]
    return nats_PB


def _tails(codec: FeatureCodec, encoded: Encoded) -> Tensors:
    """Knots of every column in one array, with the nats of both tails at every step between them."""
    columns, skews = [], []
    for f, channel in enumerate(codec.channels):
        x_B = np.zeros(0, dtype=np.float32)
        if isinstance(channel, NumericChannel):
            p, i = _first(codec.column_of_part, f), _first(codec.column_of_input, f)
            x_B = encoded.inputs_IB[i][encoded.classes_PB[p] != codec.parts[p].classes - 1]
        columns.append(_column_tails(x_B))
        skews.append(_skew_sign(x_B))
    return {
        "first_F": np.cumsum([0, *(len(knots) for knots, _, _ in columns)]).astype(np.int64),
        "knots_V": np.concatenate([knots for knots, _, _ in columns]).astype(np.float32),
        "left_nats": np.concatenate([left for _, left, _ in columns]),
        "right_nats": np.concatenate([right for _, _, right in columns]),
        "skew_F": np.array(skews, dtype=np.float64),
    }


def _column_tails(x_B: Float32Array) -> tuple[Float32Array, FloatArray, FloatArray]:
    """Knots (V,), and nats of the left and the right tail after 0 … V of them, (V + 1,) each."""
    knots, counts = np.unique(x_B, return_counts=True)
    n, below = len(x_B), np.concatenate([[0], np.cumsum(counts)])
    if len(knots) > MOST_KNOTS:
        edge = MOST_KNOTS // 8
        ranks = np.linspace(0, n - 1, MOST_KNOTS - 2 * edge)
        middle = np.searchsorted(below[1:], ranks, side="right")
        kept = np.unique(np.concatenate([np.arange(edge), middle, np.arange(len(knots) - edge, len(knots))]))
        knots, below = knots[kept], np.concatenate([[0], below[1:][kept]])
    left = -np.log((below + 1.0) / (n + 1.0))
    right = -np.log((n - below + 1.0) / (n + 1.0))
    return knots.astype(np.float32), left, right


def _skew_sign(x_B: Float32Array) -> float:
    """The sign of the third central moment; 0 for a symmetric or constant column, which looks right."""
    if not len(x_B):
        return 0.0
    u_B = np.clip(x_B.astype(np.float64), -MOST_SKEW_DEVIATIONS, MOST_SKEW_DEVIATIONS)
    return float(np.sign(((u_B - u_B.mean()) ** 3).mean()))
