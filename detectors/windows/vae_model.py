"""The window VAE: principal axes with a small network beside them, under a Student-t likelihood of learned spread.

Encoder and decoder are each a linear map plus a network of one hidden layer that also sees the rhythm of the clock.
The linear maps start at the principal axes and the networks at zero, so training starts at probabilistic PCA (Tipping
and Bishop 1999) and can only add to it; a linear VAE's optimum is that PCA (Lucas et al. 2019). z is whitened: its
prior is N(0, 1), its posterior's spread one learned figure a dimension.

Shape legend: B rows, D = metrics × steps, R rhythm inputs, Z latent, H hidden.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from detectors.windows.kernel import Float32Array

FREEDOM = 4.0
"""Degrees of freedom of the Student-t: a step far off counts, and does not rule."""


class WindowVaeModel(nn.Module):
    """See the module's head."""

    def __init__(self, columns: int, latent: int, hidden: int, rhythm: int) -> None:
        super().__init__()
        self.mean_D = nn.Parameter(torch.zeros(columns))
        self.down_DZ = nn.Parameter(torch.zeros(columns, latent))
        self.up_ZD = nn.Parameter(torch.zeros(latent, columns))
        self.encoder_in = nn.Parameter(torch.zeros(columns + rhythm, hidden))
        self.encoder_bias = nn.Parameter(torch.zeros(hidden))
        self.encoder_out = nn.Parameter(torch.zeros(hidden, latent))
        self.decoder_in = nn.Parameter(torch.zeros(latent + rhythm, hidden))
        self.decoder_bias = nn.Parameter(torch.zeros(hidden))
        self.decoder_out = nn.Parameter(torch.zeros(hidden, columns))
        self.posterior_Z = nn.Parameter(torch.full((latent,), -2.0))
        """Log variance of q(z | x)."""
        self.spread_D = nn.Parameter(torch.zeros(columns))
        """Log of the likelihood's spread."""

    def start_at(self, mean_D: Float32Array, axes_DZ: Float32Array, variance_Z: Float32Array, *, seed: int) -> None:
        """Begin at probabilistic PCA; only the networks' first layers are random."""
        root_Z = np.sqrt(variance_Z)
        with torch.no_grad():
            self.mean_D.copy_(torch.from_numpy(mean_D))
            self.down_DZ.copy_(torch.from_numpy(axes_DZ / root_Z))
            self.up_ZD.copy_(torch.from_numpy((axes_DZ * root_Z).T))
            generator = torch.Generator().manual_seed(seed)
            for weights in (self.encoder_in, self.decoder_in):
                weights.copy_(torch.randn(weights.shape, generator=generator) / math.sqrt(weights.shape[0]))

    def encode(self, x_BD: Tensor, rhythm_BR: Tensor) -> Tensor:
        """Mean of q(z | x), (B, Z)."""
        u_BD = x_BD - self.mean_D
        hidden_BH = torch.addmm(self.encoder_bias, torch.cat([u_BD, rhythm_BR], dim=1), self.encoder_in).relu_()
        return torch.addmm(u_BD @ self.down_DZ, hidden_BH, self.encoder_out)

    def decode(self, z_BZ: Tensor, rhythm_BR: Tensor) -> Tensor:
        """Reconstruction, (B, D)."""
        hidden_BH = torch.addmm(self.decoder_bias, torch.cat([z_BZ, rhythm_BR], dim=1), self.decoder_in).relu_()
        return torch.addmm(torch.addmm(self.mean_D, z_BZ, self.up_ZD), hidden_BH, self.decoder_out)

    def row_loss(self, x_BD: Tensor, seen_BD: Tensor, rhythm_BR: Tensor, noise: torch.Generator) -> Tensor:
        """Negative ELBO a step that was seen, (1, B), with one draw of z."""
        mean_BZ = self.encode(x_BD, rhythm_BR)
        draw = torch.randn(mean_BZ.shape, generator=noise, device=mean_BZ.device)
        rebuilt_BD = self.decode(mean_BZ + (0.5 * self.posterior_Z).exp() * draw, rhythm_BR)
        nats_BD = student_nats(x_BD - rebuilt_BD, self.spread_D) * seen_BD
        kl_BZ = 0.5 * (mean_BZ.square() + self.posterior_Z.exp() - 1.0 - self.posterior_Z)
        return ((nats_BD.sum(dim=1) + kl_BZ.sum(dim=1)) / seen_BD.sum(dim=1).clamp(min=1.0))[None]

    @torch.no_grad()
    def left_over(self, x_BD: Tensor, rhythm_BR: Tensor) -> Tensor:
        """x less its reconstruction from the encoder's mean, (B, D): no draw, a row's score is not left to chance."""
        return x_BD - self.decode(self.encode(x_BD, rhythm_BR), rhythm_BR)


def student_nats(residual: Tensor, log_spread: Tensor) -> Tensor:
    """−log density of a Student-t with `FREEDOM` degrees of freedom, elementwise."""
    constant = math.lgamma(FREEDOM / 2) - math.lgamma((FREEDOM + 1) / 2) + 0.5 * math.log(FREEDOM * math.pi)
    squared = (residual * (-log_spread).exp()).square()
    return constant + log_spread + 0.5 * (FREEDOM + 1.0) * (squared / FREEDOM).log1p()
