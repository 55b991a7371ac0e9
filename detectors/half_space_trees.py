"""Half-space trees: strange rows fall where few rows of the latest windows fell (Tan, Ting, Liu 2011).

Full binary trees are drawn without looking at rows: each node halves the working range of one column. What is learned
is mass: how many rows of a window of ψ rows pass each node. A row is sought down each tree until the mass is too small
to halve again; at depth d with mass m its density is m · 2ᵈ / ψ. Trees are drawn from the seed alone, and windows are
counted in row order, so a fit is deterministic.

Departures: a row's score is the mean over trees of −log density, where the paper sums densities: the same trees, in
nats, so that contributions add up (each step down is credited to the column that it halves, as in `forest.py`). The
profile is the mean over the newest `windows` windows rather than the last one alone, and does not change while rows
are scored: a model in service is replaced, never adapted in place. What training never showed costs its fixed nats.

A baseline for streams: cheap, one pass; weak where columns are many and few of them matter.

Shape legend: B rows, D columns of the design matrix (the last always 0), T trees, N nodes of one tree.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.channels.base import Float32Array
from detectors.design import Design
from detectors.errors import NotFittedError
from detectors.features import Encoded, FeatureCodec
from detectors.half_space_kernels import add_mass, credit_steps, grow, sum_nats
from detectors.reasons import column_sums, reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of the trees; the paper's, but for the depth and the number of windows."""

    trees: int = 25
    depth: int = 10
    window_rows: int = 250
    windows: int = 64
    """Newest windows that the mass profile is the mean of."""
    least_mass_share: float = 0.1
    """A node that fewer of a window's rows pass is not halved again."""


class HalfSpaceTreesDetector(Detector):
    """See the module's head. Runs on the CPU whatever `device` says."""

    name: ClassVar[str] = "half_space_trees"
    version: ClassVar[int] = 1

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self.config = config or Config()
        self._design: Design | None = None
        self._arrays: Tensors = {}

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Draw the trees, count the newest windows' mass; the time budget is not needed."""
        started = monotonic()
        codec = FeatureCodec.fit(table)
        design = Design.of(codec)
        rows = min(table.num_rows, self.config.window_rows * self.config.windows)
        x_BD = _padded(design, codec.encode(table.slice(table.num_rows - rows)))
        self._arrays = _trees(x_BD, design, self.config, np.random.default_rng(self.seed))
        a = self._arrays
        add_mass(x_BD, a["column_TN"], a["threshold_TN"], a["mass_TN"])
        a["mass_TN"] *= np.float32(self.config.window_rows / rows)
        self._design = design
        if progress is not None:
            progress(1.0, "mass counted")
        return FitReport(
            rows=table.num_rows,
            seconds=monotonic() - started,
            epochs=1,
            stopped_because="all windows counted",
            figures={"trees": float(self.config.trees), "windows": rows / self.config.window_rows},
        )

    def _fitted(self) -> Design:
        if self._design is None:
            raise NotFittedError("the trees were neither fitted nor loaded: call fit or from_state first")
        return self._design

    def _stops(self) -> tuple[float, float]:
        """The mass at which a node is not halved again, and what is added to every mass so that none is 0."""
        return self.config.least_mass_share * self.config.window_rows, 0.5 / self.config.windows

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """Mean over trees of −log density against a window's mean, and fixed nats; (B,)."""
        design, a = self._fitted(), self._arrays
        encoded = design.codec.encode(batch)
        scores_B: FloatArray = design.fixed_nats(encoded).sum(axis=0, dtype=np.float64)
        nats_B = np.zeros(batch.num_rows)
        sum_nats(_padded(design, encoded), a["column_TN"], a["threshold_TN"], a["mass_TN"], *self._stops(), nats_B)
        return scores_B + nats_B

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` features by the steps they account for; expected values are those of training."""
        design = self._fitted()
        return reasons(design.codec, batch, self._contributions(design, batch), None, top=top)

    def _contributions(self, design: Design, batch: pa.RecordBatch) -> FloatArray:
        a, columns = self._arrays, len(design.codec.names)
        encoded = design.codec.encode(batch)
        x_BD = _padded(design, encoded)
        credit_BD = np.zeros(x_BD.shape)
        credit_steps(x_BD, a["column_TN"], a["threshold_TN"], a["mass_TN"], *self._stops(), credit_BD)
        fixed_FB = column_sums(design.fixed_nats(encoded), design.codec.column_of_part, columns)
        return column_sums(credit_BD[:, :-1].T, design.column_of_D, columns) + fixed_FB

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """The trees' arrays; settings and encoding as JSON."""
        design = self._fitted()
        settings = {"seed": self.seed, "time_budget_seconds": self.time_budget_seconds, "config": asdict(self.config)}
        document = {"name": self.name, "version": self.version, **settings, "features": design.codec.document()}
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
        detector._design = Design.of(FeatureCodec.from_document(document["features"]))
        detector._arrays = dict(tensors)
        return detector

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        return self._fitted().codec.names


def _padded(design: Design, encoded: Encoded) -> Float32Array:
    """The design matrix with a column of zeros behind, so that a table of constants has one to halve; (B, D)."""
    x_BD = design.matrix(encoded)
    return np.ascontiguousarray(np.hstack([x_BD, np.zeros((len(x_BD), 1), dtype=np.float32)]))


def _trees(x_BD: Float32Array, design: Design, config: Config, g: np.random.Generator) -> Tensors:
    """Working ranges (section 4.1 of the paper) and halvings, drawn for every tree; mass 0."""
    D, T, N = x_BD.shape[1], config.trees, 2 ** (config.depth + 1) - 1
    low_D, high_D = x_BD.min(axis=0), x_BD.max(axis=0)
    at_TD = g.random((T, D))
    reach_TD = 2.0 * np.maximum(at_TD, 1.0 - at_TD)
    span_D = np.where(high_D > low_D, high_D - low_D, 1.0)
    range_2TD = low_D + span_D * np.stack([at_TD - reach_TD, at_TD + reach_TD])
    column_TN = _drawn_columns(design, D, (T, 2**config.depth - 1), g)
    threshold_TN = np.zeros(column_TN.shape, dtype=np.float32)
    grow(range_2TD[0], range_2TD[1], column_TN, threshold_TN)
    return {"column_TN": column_TN, "threshold_TN": threshold_TN, "mass_TN": np.zeros((T, N), dtype=np.float32)}


def _drawn_columns(design: Design, D: int, shape: tuple[int, int], g: np.random.Generator) -> npt.NDArray[np.int32]:
    """A table column for each halving, each as often as the others, then one of its columns in the design."""
    owners = np.unique(design.column_of_D)
    if not len(owners):
        return np.full(shape, D - 1, dtype=np.int32)
    owner = owners[g.integers(0, len(owners), shape)]
    first = np.searchsorted(design.column_of_D, np.arange(owners[-1] + 1), sorter=(order := _order(design)))
    count = np.bincount(design.column_of_D)
    place = first[owner] + (g.random(shape) * count[owner]).astype(np.int64)
    return order[place].astype(np.int32)


def _order(design: Design) -> npt.NDArray[np.int64]:
    return np.argsort(design.column_of_D, kind="stable").astype(np.int64)
