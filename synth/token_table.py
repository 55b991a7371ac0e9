"""A vector for every class of every token: what a model looks at, and what its heads weigh.

Shape legend: E classes of all tokens, O ordered tokens, R smooth functions, D width, W classes with parts of their own.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from synth.basis import FUNCTIONS, smooth_basis
from synth.codec.table import Token


class TokenTable(nn.Module):
    """Ranges of ordered columns have smooth parts alone (the greatest gain of all on numeric tables), single
    values of ordered columns both, everything else a part of its own alone."""

    def __init__(self, tokens: Sequence[Token], width: int, *, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = [token.classes for token in tokens]
        self.ordered = [t for t, token in enumerate(tokens) if token.position_K is not None]
        own_E = np.flatnonzero(np.concatenate([token.own_K for token in tokens]))
        basis = [torch.from_numpy(smooth_basis(token.position_K, token.classes)) for token in tokens]
        self.register_buffer("own_rows_W", torch.from_numpy(own_E), persistent=False)
        self.register_buffer("basis_ER", torch.cat(basis), persistent=False)
        self.own_WD = nn.Parameter(torch.randn(len(own_E), width, generator=generator) * scale)
        smooth = torch.randn(len(self.ordered), FUNCTIONS, width, generator=generator)
        self.smooth_ORD = nn.Parameter(smooth * scale * 0.5)

    def forward(self) -> Tensor:
        """All vectors, (E, D)."""
        width = self.own_WD.shape[1]
        smooth_T = dict(zip(self.ordered, self.smooth_ORD, strict=True))
        parts = [
            basis @ smooth_T[t] if t in smooth_T else basis.new_zeros(len(basis), width)
            for t, basis in enumerate(torch.split(self.get_buffer("basis_ER"), self.sizes))
        ]
        return torch.cat(parts).index_add(0, self.get_buffer("own_rows_W"), self.own_WD)
