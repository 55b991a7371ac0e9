"""The pairwise loss: joint frequencies of all pairs of classes, against the training table's.

The squared distance of two tables of frequencies, estimated without bias: two halves of a batch are held against the
training table each by itself and multiplied, so that the noise of neither adds up. A pair's error counts by how rare
its classes are, between an even weight and that of a chi-square.

Shape legend: N rows, B rows, E classes of all tokens.
"""

import torch
from torch import Tensor

RARE = 1e-3
"""Added to the product of two classes' frequencies before weighing: pairs of rare classes must not rule the loss."""


def pair_frequencies(tokens_NT: Tensor, starts_T: Tensor, classes: int) -> Tensor:
    """How often two classes come in one row, (E, E), over a whole table."""
    total_EE = torch.zeros(classes, classes, device=tokens_NT.device)
    for part in torch.split(tokens_NT, 8_192):
        rows_BE = torch.zeros(len(part), classes, device=part.device).scatter_(1, part.long() + starts_T, 1.0)
        total_EE += rows_BE.t() @ rows_BE
    return total_EE / len(tokens_NT)


class PairLoss:
    """See the module's head."""

    def __init__(self, wanted_EE: Tensor) -> None:
        self.wanted_EE = wanted_EE
        share_E = wanted_EE.diagonal()
        self.weight_EE = 1.0 / (share_E[:, None] * share_E[None, :] + RARE).sqrt()

    def __call__(self, rows_BE: Tensor) -> Tensor:
        """(), zero on average where the frequencies agree."""
        first_BE, second_BE = rows_BE.chunk(2)
        first_EE = first_BE.t() @ first_BE / len(first_BE) - self.wanted_EE
        second_EE = second_BE.t() @ second_BE / len(second_BE) - self.wanted_EE
        return (first_EE * second_EE * self.weight_EE).sum()
