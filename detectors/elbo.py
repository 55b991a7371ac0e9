"""The two formulas that every variational autoencoder here rests on (Kingma & Welling 2014)."""

import torch
from torch import Tensor


def reparametrised(mean: Tensor, logvar: Tensor, noise: torch.Generator) -> Tensor:
    """A draw of z from N(mean, exp(logvar)) that gradients pass through (section 2.4); the shape of `mean`."""
    draw = torch.randn(mean.shape, generator=noise, device=mean.device, dtype=mean.dtype)
    return mean + (0.5 * logvar).exp() * draw


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) ‖ N(0, 1)) elementwise (appendix B)."""
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar)
