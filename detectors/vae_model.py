"""The tabular VAE's mathematics: encoder, decoder over classes, ELBO (Kingma & Welling 2014, eq. 10).

Several members train side by side in batched matrix products and share nothing. The likelihood of a row is a
product of categorical ones, one a part (a number's bin, a level, a truth, an hour): a squared error would call every
wide feature strange and every narrow one normal.

Parts are grouped by their class count, rounded up to a width, so that all parts of a group are one tensor; classes
beyond a part's own, and classes that training never showed, have a logit of `ABSENT` and no gradient. Batches lie
in the last dimension from the latent space on, where sums over classes are then sums of whole rows.

Shape legend: B rows, M members, I inputs, H hidden units, Z latent dimensions, E embedding rows, G parts of a group,
K the group's width in classes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detectors.channels.base import Part
from detectors.elbo import kl_to_standard_normal, reparametrised

WIDTHS = (4, 8, 12, 16, 25, 32)
ABSENT = -1e4
LOGIT_LIMIT = 60.0
"""exp of it is finite in single precision and so are sums of it."""
INPUT_LIMIT = 4.0
"""Standardised inputs are clipped here: a wild value must not drag every other feature's prediction along."""


class TabularVae(nn.Module):
    """M variational autoencoders over the parts of a table."""

    def __init__(
        self, parts: Sequence[Part], input_count: int, *, members: int, hidden: int, latent: int, seed: int
    ) -> None:
        super().__init__()
        self.members, self.hidden, self.latent, self.input_count = members, hidden, latent, input_count
        g = torch.Generator().manual_seed(seed)
        MH = members * hidden
        self.groups = _group(parts)
        embedded = [i for i, part in enumerate(parts) if part.embedded]
        starts, total = [], 0
        for i in embedded:
            starts.append(total)
            total += parts[i].classes
        self.register_buffer("embedded_parts", torch.tensor(embedded, dtype=torch.long), persistent=False)
        self.register_buffer("embedding_starts", torch.tensor(starts, dtype=torch.long), persistent=False)
        self.embedding_EH = nn.Parameter(_normal(g, (max(total, 1), MH), 1.0 / math.sqrt(max(len(embedded), 1))))
        self.input_IH = nn.Parameter(_normal(g, (input_count, MH), 1.0 / math.sqrt(max(input_count, 1))))
        self.input_bias_H = nn.Parameter(torch.zeros(MH))
        self.mean_MZH = nn.Parameter(_normal(g, (members, latent, hidden), 1.0 / math.sqrt(hidden)))
        self.mean_bias_MZ1 = nn.Parameter(torch.zeros(members, latent, 1))
        self.logvar_MZH = nn.Parameter(_normal(g, (members, latent, hidden), 0.1 / math.sqrt(hidden)))
        self.logvar_bias_MZ1 = nn.Parameter(torch.zeros(members, latent, 1))
        self.latent_MHZ = nn.Parameter(_normal(g, (members, hidden, latent), 1.0 / math.sqrt(latent)))
        self.latent_bias_MH1 = nn.Parameter(torch.zeros(members, hidden, 1))
        self.heads = nn.ParameterList()
        self.head_biases = nn.ParameterList()
        for n, (width, at) in enumerate(self.groups):
            self.register_buffer(f"parts_{n}", torch.tensor(at, dtype=torch.long), persistent=False)
            bias = torch.stack([_log_frequencies(parts[i], width) for i in at], dim=1)
            self.heads.append(nn.Parameter(_normal(g, (members, width * len(at), hidden), 0.1 / math.sqrt(hidden))))
            self.head_biases.append(nn.Parameter(bias.reshape(1, -1, 1).repeat(members, 1, 1)))

    def encode(self, inputs_IB: Tensor, classes_PB: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), each (M, Z, B)."""
        inputs_IB = inputs_IB.clamp(-INPUT_LIMIT, INPUT_LIMIT)
        hidden_BH = torch.addmm(self.input_bias_H, inputs_IB.t(), self.input_IH)
        parts, starts = self.get_buffer("embedded_parts"), self.get_buffer("embedding_starts")
        if len(parts):
            at_BP = (classes_PB.index_select(0, parts) + starts[:, None]).t().contiguous()
            hidden_BH = hidden_BH.add_(nn.functional.embedding_bag(at_BP, self.embedding_EH, mode="sum"))
        hidden_MHB = hidden_BH.relu_().view(-1, self.members, self.hidden).permute(1, 2, 0)
        mean_MZB = torch.baddbmm(self.mean_bias_MZ1, self.mean_MZH, hidden_MHB)
        return mean_MZB, torch.baddbmm(self.logvar_bias_MZ1, self.logvar_MZH, hidden_MHB).clamp(-10.0, 5.0)

    def decode(self, z_MZB: Tensor) -> list[Tensor]:
        """Logits of every group, each (M, K, G, B).

        Biases ride on one more hidden unit that is always 1: added apart they cost a pass over all logits.
        """
        B = z_MZB.shape[2]
        hidden_MHB = torch.baddbmm(self.latent_bias_MH1, self.latent_MHZ, z_MZB).relu_()
        hidden_MHB = torch.cat([hidden_MHB, hidden_MHB.new_ones(self.members, 1, B)], dim=1)
        return [
            torch.bmm(torch.cat([head, bias], dim=2), hidden_MHB).view(self.members, width, len(at), B)
            for (width, at), head, bias in zip(self.groups, self.heads, self.head_biases, strict=True)
        ]

    def part_nats(self, logits: list[Tensor], classes_PB: Tensor) -> Tensor:
        """−log p of each part under each member, (M, P, B)."""
        nats_MPB = logits[0].new_empty(self.members, classes_PB.shape[0], classes_PB.shape[1])
        for n, logits_MKGB in enumerate(logits):
            at = self.get_buffer(f"parts_{n}")
            target_M1GB = classes_PB.index_select(0, at)[None, None].expand(self.members, 1, -1, -1)
            picked = logits_MKGB.gather(1, target_M1GB).squeeze(1)
            nats_MPB[:, at] = logits_MKGB.logsumexp(dim=1) - picked
        return nats_MPB

    def row_loss(self, inputs_IB: Tensor, classes_PB: Tensor, noise: torch.Generator) -> Tensor:
        """Negative ELBO of each row under each member, (M, B), with one draw of z."""
        mean_MZB, logvar_MZB = self.encode(inputs_IB, classes_PB)
        z_MZB = reparametrised(mean_MZB, logvar_MZB, noise)
        nats_MB = self.part_nats(self.decode(z_MZB), classes_PB).sum(dim=1)
        return nats_MB + kl_to_standard_normal(mean_MZB, logvar_MZB).sum(dim=1)

    @torch.no_grad()
    def total_nats(self, inputs_IB: Tensor, classes_PB: Tensor) -> Tensor:
        """Sum over parts of the members' mean −log p at z = the encoder's mean, (B,): the hot path.

        The same number as `part_nats` gives, with logits held in ±`LOGIT_LIMIT` in place of the usual subtraction of
        the maximum, and with every temporary written over.
        """
        total_B = inputs_IB.new_zeros(classes_PB.shape[1])
        for n, logits_MKGB in enumerate(self.decode(self.encode(inputs_IB, classes_PB)[0])):
            logits_MKGB.clamp_(-LOGIT_LIMIT, LOGIT_LIMIT)
            target_M1GB = classes_PB.index_select(0, self.get_buffer(f"parts_{n}"))[None, None].expand(
                self.members, 1, -1, -1
            )
            total_B -= logits_MKGB.gather(1, target_M1GB).sum(dim=(0, 1, 2))
            total_B += logits_MKGB.exp_().sum(dim=1).log_().sum(dim=(0, 1))
        return total_B / self.members

    @torch.no_grad()
    def adopt_unseen(self, parts: Sequence[Part]) -> None:
        """Give classes that training never showed the most frequent class's weights, less their fixed cost.

        Their own weights mean nothing: the loss only ever pushed them down. After this −log p of such a class is
        that of the most frequent one plus `Part.unseen_nats_K`, whatever the other features say.
        """
        for n, (width, at) in enumerate(self.groups):
            head = self.heads[n].view(self.members, width, len(at), self.hidden)
            bias = self.head_biases[n].view(self.members, width, len(at))
            for g, i in enumerate(at):
                usual = int(parts[i].counts_K.argmax())
                for k, nats in enumerate(parts[i].unseen_nats_K):
                    if nats > 0.0:
                        head[:, k, g] = head[:, usual, g]
                        bias[:, k, g] = bias[:, usual, g] - float(nats)


def _normal(g: torch.Generator, shape: tuple[int, ...], deviation: float) -> Tensor:
    return torch.randn(shape, generator=g) * deviation


def _group(parts: Sequence[Part]) -> list[tuple[int, list[int]]]:
    """Part numbers by width, the narrowest that holds their classes."""
    groups: dict[int, list[int]] = {}
    for i, part in enumerate(parts):
        groups.setdefault(min(w for w in WIDTHS if w >= part.classes), []).append(i)
    return sorted(groups.items())


def _log_frequencies(part: Part, width: int) -> Tensor:
    """Training starts from independent columns; classes without a row are `ABSENT`."""
    bias_K = torch.full((width,), ABSENT)
    counts_K = torch.from_numpy(part.counts_K)
    seen = counts_K > 0
    bias_K[: part.classes][seen] = (counts_K[seen] / counts_K.sum()).log().float()
    return bias_K
