"""The view port, and the three views of the standardised matrix. A view's score is a sum over columns.

Each is linear algebra on a whole batch. `neighbours` sees emptiness, `relations` sees combinations that do not go
together, `centres` sees what belongs to no large group. None is good everywhere: on public tables each wins where
another fails (docs/decisions/0017-blend.md), which is why they are blended.

Shape legend: B rows, D columns of the matrix, S subsets, R rows of a subset, C centres.
"""

from typing import ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from detectors.base import Tensors
from detectors.channels.base import Float32Array

SUBSETS, SUBSET_ROWS = 12, 24
CENTRES = 16
LEAST_CENTRE_SHARE = 0.03
CENTRE_ROUNDS = 15
CENTRE_TRIM = 0.1
RIDGE = 0.1
LEAST_SPREAD = 0.05


class View(Protocol):
    """One way of seeing that a row does not belong."""

    name: ClassVar[str]

    @classmethod
    def fit(cls, z_DB: Float32Array, generator: np.random.Generator) -> Self:
        """Learn from standardised training rows."""

    def score(self, z_DB: Tensor) -> Tensor:
        """(B,), high is anomalous."""

    def by_column(self, z_DB: Tensor) -> Tensor:
        """What each column adds, (D, B), none negative; proportional to its part in `score`."""

    def state(self) -> Tensors:
        """As named arrays."""

    @classmethod
    def from_state(cls, tensors: Tensors) -> Self:
        """The view that `state` described."""

    def to(self, device: str) -> Self:
        """On another device."""


class _OfTensors:
    """A view that is nothing but its tensors."""

    fields: ClassVar[tuple[str, ...]]

    def __init__(self, **tensors: Tensor) -> None:
        for name in self.fields:
            setattr(self, name, tensors[name].to(torch.float32))

    def state(self) -> Tensors:
        """As named arrays."""
        return {name: getattr(self, name).cpu().numpy() for name in self.fields}

    @classmethod
    def from_state(cls, tensors: Tensors) -> Self:
        """The view that `state` described."""
        return cls(**{name: torch.from_numpy(np.array(tensors[name])) for name in cls.fields})

    def to(self, device: str) -> Self:
        """On another device."""
        return type(self)(**{name: getattr(self, name).to(device) for name in self.fields})


class Neighbours(_OfTensors):
    """Distance to the nearest of a few random rows, averaged over subsets (LeSiNN: Pang, Ting, Albrecht 2015).

    Few rows a subset on purpose: a cluster of anomalies is then mostly absent from it.
    """

    name: ClassVar[str] = "neighbours"
    fields: ClassVar[tuple[str, ...]] = ("rows_SRD",)
    rows_SRD: Tensor

    @classmethod
    def fit(cls, z_DB: Float32Array, generator: np.random.Generator) -> Self:
        """Draw the subsets."""
        rows = z_DB.shape[1]
        at = [generator.choice(rows, min(SUBSET_ROWS, rows), replace=False) for _ in range(SUBSETS)]
        return cls(rows_SRD=torch.from_numpy(np.ascontiguousarray(z_DB[:, np.stack(at)].transpose(1, 2, 0))))

    def _squared(self, z_DB: Tensor) -> Tensor:
        """Squared distance to every row, less the row's own square, (S, R, B)."""
        S, R, D = self.rows_SRD.shape
        flat = self.rows_SRD.reshape(S * R, D)
        norms = flat.square().sum(dim=1, keepdim=True)
        return torch.addmm(norms, flat, z_DB, alpha=-2.0).view(S, R, -1)

    def score(self, z_DB: Tensor) -> Tensor:
        """Mean distance over subsets, (B,)."""
        nearest_SB = self._squared(z_DB).amin(dim=1)
        return nearest_SB.add_(z_DB.square().sum(dim=0)).clamp_(min=0.0).sqrt_().mean(dim=0)

    def by_column(self, z_DB: Tensor) -> Tensor:
        """Each column's share of the squared distance, times the distance, (D, B)."""
        at_SB = self._squared(z_DB).argmin(dim=1)
        total_DB = torch.zeros_like(z_DB)
        for s, rows_RD in enumerate(self.rows_SRD):
            squares_DB = (z_DB - rows_RD[at_SB[s]].t()).square()
            total_DB += squares_DB / squares_DB.sum(dim=0).clamp_(min=1e-12).sqrt_()
        return total_DB / len(self.rows_SRD)


class Relations(_OfTensors):
    """Each column's departure from what the others predict: −log of a Cauchy density of the residual, up to a constant.

    All regressions come from one inverse of the ridged covariance (the precision matrix): the residual of column j is
    (P z)_j / P_jj (Lauritzen 1996, prop. 5.2). Heavy tails keep one impossible column from drowning the others.
    """

    name: ClassVar[str] = "relations"
    fields: ClassVar[tuple[str, ...]] = ("mean_D1", "solve_DD", "spread_D1")
    mean_D1: Tensor
    solve_DD: Tensor
    """Row j gives the residual of column j."""
    spread_D1: Tensor
    """Median absolute residual over training."""

    @classmethod
    def fit(cls, z_DB: Float32Array, generator: np.random.Generator) -> Self:
        """Covariance, inverse, spreads."""
        D, B = z_DB.shape
        mean_D1 = z_DB.mean(axis=1, dtype=np.float64)[:, None]
        centred_DB = (z_DB - mean_D1.astype(np.float32)).astype(np.float32)
        covariance = (centred_DB @ centred_DB.T).astype(np.float64) / B
        precision = np.linalg.inv(covariance + RIDGE * np.eye(D))
        solve = (precision / np.diag(precision)[:, None]).astype(np.float32)
        spread = np.median(np.abs(solve @ centred_DB), axis=1)[:, None] + LEAST_SPREAD
        return cls(
            mean_D1=torch.from_numpy(mean_D1), solve_DD=torch.from_numpy(solve), spread_D1=torch.from_numpy(spread)
        )

    def residuals(self, z_DB: Tensor) -> Tensor:
        """Departure of each column from what the others predict, in deviations, (D, B)."""
        return self.solve_DD @ (z_DB - self.mean_D1)

    def by_column(self, z_DB: Tensor) -> Tensor:
        """log(1 + (residual / spread)²), (D, B)."""
        scaled = torch.baddbmm(
            (self.solve_DD @ self.mean_D1).div_(-self.spread_D1)[None],
            (self.solve_DD / self.spread_D1)[None],
            z_DB[None],
        )[0]
        return scaled.square_().log1p_()

    def score(self, z_DB: Tensor) -> Tensor:
        """Sum over columns, (B,)."""
        return self.by_column(z_DB).sum(dim=0)


class Centres(_OfTensors):
    """Distance to the nearest centre of a large group (k-means with trimming: Cuesta-Albertos and others 1997)."""

    name: ClassVar[str] = "centres"
    fields: ClassVar[tuple[str, ...]] = ("centres_CD",)
    centres_CD: Tensor

    @classmethod
    def fit(cls, z_DB: Float32Array, generator: np.random.Generator) -> Self:
        """Lloyd's rounds; the worst tenth of the rows is left out of each, small groups are dropped at the end."""
        rows = torch.from_numpy(np.ascontiguousarray(z_DB.T))
        centres = rows[torch.from_numpy(generator.choice(len(rows), min(CENTRES, len(rows)), replace=False))].clone()
        for _ in range(CENTRE_ROUNDS):
            distance, nearest = torch.cdist(rows, centres).min(dim=1)
            kept = distance <= torch.quantile(distance[:1_000_000], 1.0 - CENTRE_TRIM)
            sums = torch.zeros_like(centres).index_add_(0, nearest[kept], rows[kept])
            counts = torch.bincount(nearest[kept], minlength=len(centres))
            centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
        shares = torch.bincount(torch.cdist(rows, centres).argmin(dim=1), minlength=len(centres)) / len(rows)
        large = shares >= LEAST_CENTRE_SHARE
        return cls(centres_CD=centres[large] if bool(large.any()) else centres)

    def _squared(self, z_DB: Tensor) -> Tensor:
        norms = self.centres_CD.square().sum(dim=1, keepdim=True)
        return torch.addmm(norms, self.centres_CD, z_DB, alpha=-2.0)

    def score(self, z_DB: Tensor) -> Tensor:
        """Distance, (B,)."""
        return (self._squared(z_DB).amin(dim=0) + z_DB.square().sum(dim=0)).clamp_(min=0.0).sqrt_()

    def by_column(self, z_DB: Tensor) -> Tensor:
        """Each column's share of the squared distance, times the distance, (D, B)."""
        squares_DB = (z_DB - self.centres_CD[self._squared(z_DB).argmin(dim=0)].t()).square()
        return squares_DB / squares_DB.sum(dim=0).clamp_(min=1e-12).sqrt_()


VIEWS: tuple[type[Neighbours] | type[Relations] | type[Centres], ...] = (Neighbours, Relations, Centres)
