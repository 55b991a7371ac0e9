"""Likelihoods of tokens, as every model here counts them.

Shape legend: B rows, T tokens, E classes of all tokens, K classes of one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from synth.codec.table import Token


def log_frequencies(token: Token) -> Tensor:
    """Log frequencies of a token's classes, (K,), from which training starts: independent columns."""
    counts = torch.from_numpy(token.counts_K).float() + 0.1
    return (counts / counts.sum()).log()


def token_nats(logits_BE: Tensor, tokens_BT: Tensor, sizes: Sequence[int]) -> Tensor:
    """−log p of each token under the logits of all, (B, T)."""
    parts = torch.split(logits_BE, list(sizes), dim=1)
    nats = [functional.cross_entropy(part, tokens_BT[:, t], reduction="none") for t, part in enumerate(parts)]
    return torch.stack(nats, dim=1)
