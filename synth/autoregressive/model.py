"""The order-agnostic autoregressive network over tokens.

p(row) = Π p(token | tokens before it in the row's order), as in NADE (Uria et al. 2014, eq. 7), with the order drawn
anew for every row of a batch. Departures: a token's context is the sum of embeddings of the tokens before it plus a
vector of its own; each token has a residual block and a head of its own, all of them one batched product; embeddings
and heads of ordered columns share smooth functions (`basis.py`).

Shape legend: B rows, T tokens, K classes of one token, E classes of all, D width, H hidden units, R smooth functions.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synth.codec.table import Token
from synth.token_loss import log_frequencies
from synth.token_table import TokenTable


class AutoregressiveModel(nn.Module):
    """See the module's head."""

    def __init__(self, tokens: Sequence[Token], *, width: int, hidden: int, dropout: float, seed: int) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        T = len(tokens)
        self.sizes = [token.classes for token in tokens]
        starts = torch.tensor([0, *self.sizes]).cumsum(0)[:-1]
        self.register_buffer("starts_T", starts, persistent=False)
        self.dropout = dropout
        self.embeddings = TokenTable(tokens, width, scale=1.0 / math.sqrt(T), generator=g)
        self.target_TD = nn.Parameter(torch.randn(T, width, generator=g) * 0.5)
        self.in_TDH = nn.Parameter(torch.randn(T, width, hidden, generator=g) * math.sqrt(2.0 / width))
        self.in_bias_T1H = nn.Parameter(torch.zeros(T, 1, hidden))
        self.out_THD = nn.Parameter(torch.randn(T, hidden, width, generator=g) / math.sqrt(hidden))
        self.out_bias_T1D = nn.Parameter(torch.zeros(T, 1, width))
        self.heads = TokenTable(tokens, width, scale=0.02, generator=g)
        self.bias_E = nn.Parameter(torch.cat([log_frequencies(token) for token in tokens]))

    def losses(self, tokens_BT: Tensor, mask_BTT: Tensor, noise: torch.Generator | None) -> Tensor:
        """−log p of each token given those its mask row lets it see, (B, T). Dropout where `noise` is given."""
        table_ED = self.embeddings()
        x_BTD = functional.embedding(tokens_BT + self.get_buffer("starts_T"), table_ED)
        hidden_TBD = self.hidden(torch.matmul(mask_BTT, x_BTD).transpose(0, 1) + self.target_TD[:, None], noise)
        heads, biases = torch.split(self.heads(), self.sizes), torch.split(self.bias_E, self.sizes)
        nats = [
            functional.cross_entropy(torch.addmm(bias, hidden, head.t()), tokens_BT[:, t], reduction="none")
            for t, (hidden, head, bias) in enumerate(zip(hidden_TBD, heads, biases, strict=True))
        ]
        return torch.stack(nats, dim=1)

    def hidden(self, context_TBD: Tensor, noise: torch.Generator | None) -> Tensor:
        """What the heads look at, (T, B, D)."""
        a_TBH = torch.baddbmm(self.in_bias_T1H, context_TBD, self.in_TDH).relu_()
        if noise is not None and self.dropout > 0.0:
            kept = torch.rand(a_TBH.shape, generator=noise, device=a_TBH.device) >= self.dropout
            a_TBH = a_TBH * kept / (1.0 - self.dropout)
        return functional.layer_norm(
            context_TBD + torch.baddbmm(self.out_bias_T1D, a_TBH, self.out_THD), (context_TBD.shape[2],)
        )


def natural_order(tokens: Sequence[Token]) -> list[int]:
    """Few classes first: early columns then repeat over many rows. A column's second token follows its first, and the
    label comes last: what a classifier learns of synthetic rows is then learned directly."""

    def place(t: int) -> tuple[bool, int, int, int]:
        token = tokens[t]
        return token.label, token.classes * max(1, token.width), token.column, t

    return sorted(range(len(tokens)), key=place)


def random_order(tokens: Sequence[Token], generator: np.random.Generator) -> list[int]:
    """Columns in any order, a column's second token right after its first."""
    place_T = generator.random(len(tokens))
    for t, token in enumerate(tokens):
        if token.second:
            place_T[t] = place_T[t - 1] + 1e-9
    order: list[int] = np.argsort(place_T).tolist()
    return order


def order_masks(order_BT: Tensor) -> Tensor:
    """What each token may see, (B, T, T) of 0 and 1, from the order in which each row's tokens come."""
    rank_BT = order_BT.argsort(dim=1)
    return (rank_BT[:, None, :] < rank_BT[:, :, None]).float()
