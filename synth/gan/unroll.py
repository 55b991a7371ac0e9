"""Rows drawn token by token so that gradients pass through the drawing.

Each token is a straight-through Gumbel-softmax (Jang et al. 2017, eq. 2): a hard class forwards, its relaxation
backwards. What is drawn is exactly a draw from the network's own distribution.

Shape legend: B rows, T tokens, E classes of all tokens, K classes of one, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from synth.autoregressive.model import AutoregressiveModel

TEMPERATURE = 0.7


def unrolled(
    model: AutoregressiveModel, order: Sequence[int], real_BT: Tensor, condition_B: Tensor, noise: torch.Generator
) -> Tensor:
    """One-hot rows (B, E). Where `condition_B` is a token's number (−1: none) that token is the real row's, and the
    others are drawn in its light."""
    starts_T = model.get_buffer("starts_T")
    tables = torch.split(model.embeddings(), model.sizes)
    heads, biases = torch.split(model.heads(), model.sizes), torch.split(model.bias_E, model.sizes)
    fixed_B = condition_B.clamp(min=0)
    at_B = real_BT.gather(1, fixed_B[:, None]).squeeze(1) + starts_T[fixed_B]
    context_BD = functional.embedding(at_B, torch.cat(tables)) * (condition_B >= 0)[:, None]
    layers = [
        parameter.unbind(0)  # one gradient for all tokens: indexing would make a full one for each
        for parameter in (model.target_TD, model.in_TDH, model.in_bias_T1H, model.out_THD, model.out_bias_T1D)
    ]
    drawn: dict[int, Tensor] = {}
    for t in order:
        hidden_BD = _hidden([layer[t] for layer in layers], context_BD)
        logits_BK = torch.addmm(biases[t], hidden_BD, heads[t].t())
        row_BK = _drawn(logits_BK, noise)
        free_B1 = (condition_B != t)[:, None]
        context_BD = context_BD + (row_BK @ tables[t]) * free_B1
        real_BK = functional.one_hot(real_BT[:, t], logits_BK.shape[1]).to(row_BK.dtype)
        drawn[t] = torch.where(free_B1, row_BK, real_BK)
    return torch.cat([drawn[t] for t in range(len(drawn))], dim=1)


def _drawn(logits_BK: Tensor, noise: torch.Generator) -> Tensor:
    """A class for each row: one-hot forwards, relaxed backwards."""
    exponential_BK = torch.empty_like(logits_BK).exponential_(generator=noise)
    noisy_BK = logits_BK - exponential_BK.clamp_(min=1e-9).log_()
    soft_BK = (noisy_BK / TEMPERATURE).softmax(dim=1)
    hard_BK = functional.one_hot(noisy_BK.argmax(dim=1), logits_BK.shape[1]).to(soft_BK.dtype)
    return soft_BK + (hard_BK - soft_BK.detach())


def _hidden(layers: list[Tensor], context_BD: Tensor) -> Tensor:
    target_D, in_DH, in_bias_1H, out_HD, out_bias_1D = layers
    context_BD = context_BD + target_D
    a_BH = torch.addmm(in_bias_1H, context_BD, in_DH).relu()
    h_BD = context_BD + torch.addmm(out_bias_1D, a_BH, out_HD)
    return functional.layer_norm(h_BD, h_BD.shape[1:])


def one_hot(tokens_BT: Tensor, starts_T: Tensor, classes: int) -> Tensor:
    """Real rows as the critic sees them, (B, E)."""
    rows_BE = torch.zeros(len(tokens_BT), classes, device=tokens_BT.device)
    return rows_BE.scatter_(1, tokens_BT + starts_T, 1.0)
