"""A variational autoencoder over tokens (Kingma & Welling 2014): each column has the likelihood of its kind.

A level is a class, a truth one of two, a number one of its ranges or single values, "missing" a class like any other.
Departures: the KL term weighs `beta` (Higgins et al. 2017), and rows are drawn from a prior fitted to where the
training rows lie in the latent space (`prior.py`) instead of N(0, 1).

Shape legend: B rows, T tokens, E classes of all tokens, K classes of one, D width, Z latent dimensions.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.elbo import kl_to_standard_normal, reparametrised
from synth.codec.table import Token
from synth.token_loss import log_frequencies, token_nats
from synth.token_table import TokenTable


class Block(nn.Module):
    """x + W relu(V norm(x))."""

    def __init__(self, width: int, hidden: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.in_DH = nn.Parameter(torch.randn(width, hidden, generator=generator) * math.sqrt(2.0 / width))
        self.in_bias_H = nn.Parameter(torch.zeros(hidden))
        self.out_HD = nn.Parameter(torch.randn(hidden, width, generator=generator) * 0.5 / math.sqrt(hidden))
        self.out_bias_D = nn.Parameter(torch.zeros(width))

    def forward(self, x_BD: Tensor) -> Tensor:
        """(B, D)."""
        a_BH = torch.addmm(self.in_bias_H, functional.layer_norm(x_BD, x_BD.shape[1:]), self.in_DH).relu_()
        return x_BD + torch.addmm(self.out_bias_D, a_BH, self.out_HD)


class TokenVae(nn.Module):
    """See the module's head."""

    def __init__(
        self, tokens: Sequence[Token], *, width: int, latent: int, encoder_blocks: int, decoder_blocks: int, seed: int
    ) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.sizes = [token.classes for token in tokens]
        starts = torch.tensor([0, *self.sizes]).cumsum(0)[:-1]
        self.register_buffer("starts_T", starts, persistent=False)
        self.embeddings = TokenTable(tokens, width, scale=1.0 / math.sqrt(len(tokens)), generator=g)
        self.encoder = nn.ModuleList(Block(width, width, generator=g) for _ in range(encoder_blocks))
        self.moments_DZ = nn.Parameter(torch.randn(width, 2 * latent, generator=g) * 0.5 / math.sqrt(width))
        self.moments_bias_Z = nn.Parameter(torch.zeros(2 * latent))
        self.latent_ZD = nn.Parameter(torch.randn(latent, width, generator=g) / math.sqrt(latent))
        self.latent_bias_D = nn.Parameter(torch.zeros(width))
        self.decoder = nn.ModuleList(Block(width, width, generator=g) for _ in range(decoder_blocks))
        self.heads = TokenTable(tokens, width, scale=0.02, generator=g)
        self.bias_E = nn.Parameter(torch.cat([log_frequencies(token) for token in tokens]))

    def encode(self, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | row), each (B, Z)."""
        at_BT = tokens_BT + self.get_buffer("starts_T")
        x_BD = functional.embedding_bag(at_BT, self.embeddings(), mode="sum")
        for block in self.encoder:
            x_BD = block(x_BD)
        mean_BZ, logvar_BZ = torch.addmm(
            self.moments_bias_Z, functional.layer_norm(x_BD, x_BD.shape[1:]), self.moments_DZ
        ).chunk(2, dim=1)
        return mean_BZ, logvar_BZ.clamp(-10.0, 5.0)

    def hidden(self, z_BZ: Tensor) -> Tensor:
        """What the heads look at, (B, D)."""
        x_BD = torch.addmm(self.latent_bias_D, z_BZ, self.latent_ZD)
        for block in self.decoder:
            x_BD = block(x_BD)
        return functional.layer_norm(x_BD, x_BD.shape[1:])

    def losses(self, tokens_BT: Tensor, noise: torch.Generator, beta: float) -> Tensor:
        """Negative ELBO of each row with one draw of z and the KL term weighing `beta`, (B,)."""
        mean_BZ, logvar_BZ = self.encode(tokens_BT)
        logits_BE = torch.addmm(self.bias_E, self.hidden(reparametrised(mean_BZ, logvar_BZ, noise)), self.heads().t())
        kl_B = kl_to_standard_normal(mean_BZ, logvar_BZ).sum(dim=1)
        return token_nats(logits_BE, tokens_BT, self.sizes).sum(dim=1) + beta * kl_B
