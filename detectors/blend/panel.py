"""The views together: fitted in two rounds, asked at once, their nats shared out over columns.

Shape legend: B rows, F columns of the table, D columns of the matrix, V views (the VAE first).
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor

from detectors.base import FloatArray, Tensors
from detectors.blend.matrix import LIMIT, Matrix
from detectors.blend.tail_map import TailMap
from detectors.blend.views import Centres, Neighbours, Relations, View
from detectors.channels.base import Float32Array
from detectors.reasons import column_sums

NAMES = ("vae", Neighbours.name, Relations.name, Centres.name)
KEPT_SHARE = 0.75
"""Of the training rows, after the first round, that relations and centres are fitted to again."""
LEAST_ROWS = 20


class Panel:
    """Fitted views with the tails of all four."""

    def __init__(
        self,
        neighbours: Neighbours,
        relations: Relations,
        centres: Centres,
        tails: tuple[TailMap, ...],
        *,
        plain_share: float,
    ) -> None:
        self.neighbours, self.relations, self.centres, self.tails = neighbours, relations, centres, tails
        self.plain_share = plain_share
        """What nats of the views other than the VAE count for: they see the other columns by rarity alone."""
        self.usual_VF: FloatArray = np.zeros((len(NAMES), 0))
        """Median of what each column adds to each view over training."""

    @classmethod
    @torch.no_grad()
    def fit(
        cls, z_DB: Float32Array, vae_B: FloatArray, generator: np.random.Generator, *, plain_share: float = 1.0
    ) -> "Panel":
        """Two rounds over standardised rows, held at the limit while views learn and as they are for the tails; `vae_B`
        are the VAE's scores of the same rows."""
        rows = torch.from_numpy(z_DB)
        z_DB = np.clip(z_DB, -LIMIT, LIMIT)
        neighbours = Neighbours.fit(z_DB, generator)
        first: list[View] = [neighbours, Relations.fit(z_DB, generator), Centres.fit(z_DB, generator)]
        nats = [_tail_nats(view.score(rows).numpy().astype(np.float64)) for view in first]
        total_B = np.sum(nats, axis=0)
        kept = total_B <= np.quantile(total_B, KEPT_SHARE)
        kept_DB = np.ascontiguousarray(z_DB[:, kept]) if kept.sum() >= LEAST_ROWS else z_DB
        relations, centres = Relations.fit(kept_DB, generator), Centres.fit(kept_DB, generator)
        scores = [vae_B, *(v.score(rows).numpy().astype(np.float64) for v in (neighbours, relations, centres))]
        tails = tuple(TailMap.fit(score) for score in scores)
        return cls(neighbours, relations, centres, tails, plain_share=plain_share)

    @torch.no_grad()
    def tail_nats(self, z_DB: Tensor, vae_B: FloatArray) -> FloatArray:
        """Each view's nats, weighted, (V, B)."""
        views = (self.neighbours, self.relations, self.centres)
        scores = [vae_B, *(view.score(z_DB).cpu().numpy().astype(np.float64) for view in views)]
        nats_VB = np.stack([tail.apply(score) for tail, score in zip(self.tails, scores, strict=True)])
        nats_VB[1:] *= self.plain_share
        return nats_VB

    @torch.no_grad()
    def _added(self, matrix: Matrix, z_DB: Tensor, vae_FB: FloatArray) -> list[FloatArray]:
        """What each column of the table adds to each view, (F, B) each."""
        columns = len(matrix.codec.names)
        views = (self.neighbours, self.relations, self.centres)
        sums = [column_sums(v.by_column(z_DB).cpu().numpy(), matrix.columns, columns) for v in views]
        return [vae_FB, *sums]

    def learn_usual(self, matrix: Matrix, vae_FB: FloatArray, z_DB: Float32Array) -> None:
        """Remember what each column adds to an ordinary training row."""
        added = self._added(matrix, torch.from_numpy(z_DB), vae_FB)
        self.usual_VF = np.stack([np.median(a, axis=1) for a in added])

    def contributions(self, matrix: Matrix, z_DB: Tensor, vae_B: FloatArray, vae_FB: FloatArray) -> FloatArray:
        """The score shared out over columns, (F, B): each view's squared nats by what columns added beyond usual."""
        nats_VB = self.tail_nats(z_DB, vae_B)
        score_B = np.sqrt((nats_VB**2).sum(axis=0))
        total_FB = np.zeros(vae_FB.shape)
        for nats_B, added_FB, usual_F in zip(nats_VB, self._added(matrix, z_DB, vae_FB), self.usual_VF, strict=True):
            beyond_FB = np.maximum(added_FB - usual_F[:, None], 0.0) + 1e-9
            total_FB += beyond_FB / beyond_FB.sum(axis=0) * (nats_B**2 / np.maximum(score_B, 1e-12))
        return total_FB

    def to(self, device: str) -> "Panel":
        """On another device."""
        views = (self.neighbours.to(device), self.relations.to(device), self.centres.to(device))
        moved = Panel(*views, self.tails, plain_share=self.plain_share)
        moved.usual_VF = self.usual_VF
        return moved

    def state(self) -> Tensors:
        """As named arrays."""
        state: Tensors = {"usual_VF": self.usual_VF, "plain_share": np.array([self.plain_share])}
        for view in (self.neighbours, self.relations, self.centres):
            state |= {f"{view.name}.{name}": value for name, value in view.state().items()}
        for name, tail in zip(NAMES, self.tails, strict=True):
            state |= {f"tail.{name}.scores": tail.scores, f"tail.{name}.nats": tail.nats}
            state[f"tail.{name}.scale"] = np.array([tail.scale])
        return state

    @classmethod
    def from_state(cls, tensors: Tensors) -> Self:
        """The panel that `state` described."""

        def of(owner: str) -> Tensors:
            return {n[len(owner) + 1 :]: value for n, value in tensors.items() if n.startswith(f"{owner}.")}

        tails = []
        for name in NAMES:
            tail = of(f"tail.{name}")
            tails.append(TailMap(tail["scores"], tail["nats"], float(tail["scale"][0])))
        views = (Neighbours.from_state(of("neighbours")), Relations.from_state(of("relations")))
        share = float(tensors["plain_share"][0])
        panel = cls(*views, Centres.from_state(of("centres")), tuple(tails), plain_share=share)
        panel.usual_VF = tensors["usual_VF"]
        return panel


def _tail_nats(scores: FloatArray) -> FloatArray:
    return TailMap.fit(scores).apply(scores)
