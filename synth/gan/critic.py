"""The critic: looks at several rows at once, so that a generator that repeats itself is seen.

Packs of rows as in PacGAN (Lin et al. 2018); relativistic pairs with penalties on the gradients at real and generated
rows, as in R3GAN (Huang et al. 2024, eq. 3 to 5), here on a table's one-hot rows.

Shape legend: B rows, P rows of a pack, E classes of all tokens, H hidden units.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from synth.codec.table import Token
from synth.token_table import TokenTable

PACK_ROWS = 4


class Critic(nn.Module):
    """One number for each pack: the higher, the more real."""

    def __init__(self, tokens: Sequence[Token], *, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = hidden
        scale = 1.0 / math.sqrt(len(tokens))
        self.table = TokenTable(tokens, PACK_ROWS * hidden, scale=scale, generator=generator)
        self.bias_H = nn.Parameter(torch.zeros(hidden))
        self.middle_HH = nn.Parameter(torch.randn(hidden, hidden, generator=generator) * math.sqrt(2.0 / hidden))
        self.middle_bias_H = nn.Parameter(torch.zeros(hidden))
        self.last_HH = nn.Parameter(torch.randn(hidden, hidden, generator=generator) * math.sqrt(2.0 / hidden))
        self.last_bias_H = nn.Parameter(torch.zeros(hidden))
        self.out_H1 = nn.Parameter(torch.randn(hidden, 1, generator=generator) / math.sqrt(hidden))

    def forward(self, rows_BE: Tensor) -> Tensor:
        """From one-hot rows (possibly relaxed) to (B / P,)."""
        looked = (rows_BE @ self.table()).view(-1, PACK_ROWS, PACK_ROWS, self.hidden)
        h_H = looked.diagonal(dim1=1, dim2=2).sum(dim=2) / math.sqrt(PACK_ROWS) + self.bias_H
        h_H = functional.leaky_relu(h_H, 0.2)
        h_H = h_H + functional.leaky_relu(torch.addmm(self.middle_bias_H, h_H, self.middle_HH), 0.2)
        h_H = h_H + functional.leaky_relu(torch.addmm(self.last_bias_H, h_H, self.last_HH), 0.2)
        return (h_H @ self.out_H1).squeeze(1)


def penalty(critic: Critic, rows_BE: Tensor) -> Tensor:
    """Mean squared norm of the critic's gradient at these rows, ()."""
    rows_BE = rows_BE.detach().requires_grad_(True)
    [slope_BE] = torch.autograd.grad(critic(rows_BE).sum(), rows_BE, create_graph=True)
    return slope_BE.square().sum() / (len(rows_BE) / PACK_ROWS)
