"""Drawing rows token by token.

Rows whose tokens so far are the same share one context: early columns cost one product for each distinct beginning, not
for each row. Once most beginnings differ, rows go on in blocks that stay in a core's cache.

Shape legend: N rows, U distinct beginnings, B rows of a block, T tokens, K classes of one token, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synth.autoregressive.model import AutoregressiveModel
from synth.codec.column import FloatArray
from synth.picking import join, pick

TokenArray = npt.NDArray[np.int32]
BLOCK_ROWS = 4_096
SHARED_SHARE = 0.5
"""Beginnings are shared while there are fewer of them than this share of the rows."""


@dataclass(slots=True)
class Drawn:
    """Rows as far as they were drawn."""

    tokens_NT: TokenArray
    mass_N: FloatArray
    """The probability, under the model, of the classes that conditions left of the tokens drawn under one."""


class Sampler:
    """A model's weights laid out for drawing. Make a new one when weights change."""

    def __init__(self, model: AutoregressiveModel) -> None:
        with torch.no_grad():
            self.embeddings_ED = model.embeddings().contiguous()
            self.heads = [head.t().contiguous() for head in torch.split(model.heads(), model.sizes)]
            self.biases = [bias.detach() for bias in torch.split(model.bias_E, model.sizes)]
        self.model, self.sizes = model, model.sizes
        self.starts = np.concatenate([[0], np.cumsum(model.sizes)[:-1]])

    @torch.no_grad()
    def draw(
        self,
        rows: int,
        order: Sequence[int],
        generator: np.random.Generator,
        *,
        given: dict[int, TokenArray] | None = None,
        weights: dict[int, FloatArray] | None = None,
        partners: dict[int, int] | None = None,
    ) -> Drawn:
        """Draw the tokens of `order`, those of `given` first and as they are; others stay 0.

        `weights` are what conditions leave of a token's classes: (K,), or (A, K) by the class of its `partners` token.
        """
        given, weights = given or {}, weights or {}
        drawn = Drawn(np.zeros((rows, len(self.sizes)), dtype=np.int32), np.ones(rows))
        group_N, context_UD = np.zeros(rows, dtype=np.int64), self.embeddings_ED.new_zeros(1, self.width)
        left = [*given, *(t for t in order if t not in given)]
        while left and len(context_UD) <= max(1.0, SHARED_SHARE * rows):
            t = left.pop(0)
            classes_N = given.get(t)
            if classes_N is None:
                chance_UK = self._chances(context_UD, t)
                classes_N = self._picked(chance_UK, group_N, t, drawn, generator, weights.get(t), partners)
            drawn.tokens_NT[:, t] = classes_N
            context_UD = self._extended(context_UD, group_N, classes_N, t)
        if left:
            self._by_block(left, context_UD, group_N, drawn, generator, given, weights, partners)
        return drawn

    @property
    def width(self) -> int:
        """D."""
        return int(self.embeddings_ED.shape[1])

    def _chances(self, context_BD: Tensor, t: int) -> npt.NDArray[np.float32]:
        m = self.model
        context_BD = context_BD + m.target_TD[t]
        a_BH = torch.addmm(m.in_bias_T1H[t], context_BD, m.in_TDH[t]).relu_()
        h_BD = torch.addmm(m.out_bias_T1D[t], a_BH, m.out_THD[t]).add_(context_BD)
        h_BD = functional.layer_norm(h_BD, (self.width,))
        chance_BK = torch.addmm(self.biases[t], h_BD, self.heads[t]).softmax(dim=1)
        return np.asarray(chance_BK.cpu().numpy())

    def _picked(
        self,
        chance_UK: npt.NDArray[np.float32],
        group_N: npt.NDArray[np.int64],
        t: int,
        drawn: Drawn,
        generator: np.random.Generator,
        weight: FloatArray | None,
        partners: dict[int, int] | None,
        rows: slice = slice(None),
    ) -> TokenArray:
        """Classes of token `t` for some rows; conditions are multiplied in, and what they left is noted."""
        classes_N = np.zeros(len(group_N), dtype=np.int32)
        if weight is not None:
            if weight.ndim == 2:  # the second of two tokens: by the first one's class
                first_N = drawn.tokens_NT[rows, (partners or {})[t]]
                chance_UK, group_N = chance_UK[group_N], np.arange(len(group_N))
                weight = weight[first_N]
            chance_UK = chance_UK * weight.astype(np.float32)
            drawn.mass_N[rows] *= chance_UK.sum(axis=1, dtype=np.float64)[group_N]
        pick(chance_UK, group_N, generator.random(len(group_N), dtype=np.float32), classes_N)
        return np.maximum(classes_N, 0)

    def _extended(self, context_UD: Tensor, group_N: npt.NDArray[np.int64], classes_N: TokenArray, t: int) -> Tensor:
        """Contexts of the beginnings one token longer; `group_N` is renumbered in place."""
        pairs = np.zeros(len(group_N), dtype=np.int64)
        count = join(group_N, classes_N, self.sizes[t], pairs)
        before, classes = np.divmod(pairs[:count], self.sizes[t])
        rows = torch.from_numpy(classes + self.starts[t])
        longer_UD: Tensor = context_UD[torch.from_numpy(before)] + self.embeddings_ED[rows]
        return longer_UD

    def _by_block(
        self,
        left: Sequence[int],
        context_UD: Tensor,
        group_N: npt.NDArray[np.int64],
        drawn: Drawn,
        generator: np.random.Generator,
        given: dict[int, TokenArray],
        weights: dict[int, FloatArray],
        partners: dict[int, int] | None,
    ) -> None:
        for start in range(0, len(group_N), BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, len(group_N)))
            context_BD = context_UD[torch.from_numpy(group_N[rows])]
            every = np.arange(len(context_BD))
            for t in left:
                if t in given:
                    classes_B = given[t][rows]
                else:
                    chance_BK = self._chances(context_BD, t)
                    classes_B = self._picked(chance_BK, every, t, drawn, generator, weights.get(t), partners, rows)
                drawn.tokens_NT[rows, t] = classes_B
                context_BD += self.embeddings_ED[torch.from_numpy(classes_B + self.starts[t])]
