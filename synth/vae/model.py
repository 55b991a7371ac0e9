"""A variational autoencoder over tokens (Kingma & Welling 2014): each column has the likelihood of its kind.

A level is a class, a truth one of two, a number one of its ranges or single values, "missing" a class like any other.
Departures: the KL term weighs `beta` (Higgins et al. 2017), and rows are drawn from a prior fitted to where the
training rows lie in the latent space (`prior.py`) instead of N(0, 1).

The label has a second likelihood besides, in the light of z and of all other columns: a classifier trained on synthetic
rows learns p(label | columns), and the latent space alone blurs it. Both are trained; the second decides what is drawn
wherever nothing is asked of the label.

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

LABEL_WIDTH = 96


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


class LabelHead(nn.Module):
    """p(label | z, all other tokens)."""

    def __init__(self, tokens: Sequence[Token], label: int, *, latent: int, generator: torch.Generator) -> None:
        super().__init__()
        g = generator
        self.others = [t for t in range(len(tokens)) if t != label]
        self.embeddings = TokenTable(tokens, LABEL_WIDTH, scale=1.0 / math.sqrt(len(tokens)), generator=g)
        self.latent_ZH = nn.Parameter(torch.randn(latent, LABEL_WIDTH, generator=g) * 0.3 / math.sqrt(latent))
        self.bias_H = nn.Parameter(torch.zeros(LABEL_WIDTH))
        self.block = Block(LABEL_WIDTH, LABEL_WIDTH, generator=g)
        self.out_HK = nn.Parameter(torch.randn(LABEL_WIDTH, tokens[label].classes, generator=g) * 0.02)
        self.out_bias_K = nn.Parameter(log_frequencies(tokens[label]))

    def forward(self, z_BZ: Tensor, at_BT: Tensor) -> Tensor:
        """Logits (B, K), from the rows' classes counted over all tokens."""
        h_BH = functional.embedding_bag(at_BT[:, self.others], self.embeddings(), mode="sum")
        h_BH = self.block(h_BH + torch.addmm(self.bias_H, z_BZ, self.latent_ZH))
        return torch.addmm(self.out_bias_K, functional.layer_norm(h_BH, h_BH.shape[1:]), self.out_HK)


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
        self.label = next((t for t, token in enumerate(tokens) if token.label), None)
        lone = self.label is None or len(tokens) == 1
        self.label_head = None if lone else LabelHead(tokens, self.label or 0, latent=latent, generator=g)

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
        """Negative ELBO of each row with one draw of z and the KL term weighing `beta`, (B,); a label counts twice."""
        mean_BZ, logvar_BZ = self.encode(tokens_BT)
        z_BZ = reparametrised(mean_BZ, logvar_BZ, noise)
        logits_BE = torch.addmm(self.bias_E, self.hidden(z_BZ), self.heads().t())
        kl_B = kl_to_standard_normal(mean_BZ, logvar_BZ).sum(dim=1)
        nats_B = token_nats(logits_BE, tokens_BT, self.sizes).sum(dim=1) + beta * kl_B
        if self.label_head is not None:
            logits_BK = self.label_head(z_BZ, tokens_BT + self.get_buffer("starts_T"))
            nats_B = nats_B + functional.cross_entropy(logits_BK, tokens_BT[:, self.label], reduction="none")
        return nats_B
