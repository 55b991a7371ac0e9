"""The critic: looks at several rows at once, so that a generator that repeats itself is seen.

Packs of rows as in PacGAN (Lin et al. 2018); relativistic pairs with penalties on the gradients at real and generated
rows, as in R3GAN (Huang et al. 2024, eq. 3 to 5), here on a table's one-hot rows.

Shape legend: B rows, P packs of rows (as a first dimension), E classes of all tokens, H hidden units.
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
    """One number for each pack: the higher, the more real. Rows are looked at one by one first, then as a pack: the
    mean and the spread of what was seen, whatever their order."""

    def __init__(self, tokens: Sequence[Token], *, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        g = generator
        self.table = TokenTable(tokens, hidden, scale=1.0 / math.sqrt(len(tokens)), generator=g)
        self.bias_H = nn.Parameter(torch.zeros(hidden))
        self.row_HH = nn.Parameter(torch.randn(hidden, hidden, generator=g) * math.sqrt(2.0 / hidden))
        self.row_bias_H = nn.Parameter(torch.zeros(hidden))
        self.pack_HH = nn.Parameter(torch.randn(2 * hidden, hidden, generator=g) * math.sqrt(1.0 / hidden))
        self.pack_bias_H = nn.Parameter(torch.zeros(hidden))
        self.out_H1 = nn.Parameter(torch.randn(hidden, 1, generator=g) / math.sqrt(hidden))

    def forward(self, rows_BE: Tensor) -> Tensor:
        """From one-hot rows (possibly relaxed) to (B / P,)."""
        h_BH = functional.leaky_relu(torch.addmm(self.bias_H, rows_BE, self.table()), 0.2)
        h_BH = h_BH + functional.leaky_relu(torch.addmm(self.row_bias_H, h_BH, self.row_HH), 0.2)
        h_PH = h_BH.view(-1, PACK_ROWS, h_BH.shape[1])
        mean_H = h_PH.mean(dim=1)
        spread_H = ((h_PH - mean_H[:, None]).square().mean(dim=1) + 1e-4).sqrt()
        seen_H = torch.cat([mean_H, spread_H], dim=1)
        seen_H = functional.leaky_relu(torch.addmm(self.pack_bias_H, seen_H, self.pack_HH), 0.2)
        return (seen_H @ self.out_H1).squeeze(1)


def penalty(critic: Critic, rows_BE: Tensor) -> Tensor:
    """Mean squared norm of the critic's gradient at these rows, ()."""
    rows_BE = rows_BE.detach().requires_grad_(True)
    [slope_BE] = torch.autograd.grad(critic(rows_BE).sum(), rows_BE, create_graph=True)
    return slope_BE.square().sum() / (len(rows_BE) / PACK_ROWS)
