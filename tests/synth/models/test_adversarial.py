"""The adversarial parts: draws that gradients pass through, frequencies compared without bias, a critic of packs."""

import numpy as np
import torch

from synth.autoregressive.model import AutoregressiveModel
from synth.autoregressive.sampler import Sampler
from synth.codec.table import Token
from synth.gan.critic import PACK_ROWS, Critic, penalty
from synth.gan.pairs import PairLoss, pair_frequencies
from synth.gan.unroll import one_hot, unrolled

SIZES = (2, 3)
TOKENS = [
    Token(at, size, 1, False, np.ones(size), None, np.ones(size, dtype=np.bool_)) for at, size in enumerate(SIZES)
]


def network(seed: int = 0) -> AutoregressiveModel:
    model = AutoregressiveModel(TOKENS, width=16, hidden=16, dropout=0.0, seed=seed)
    with torch.no_grad():
        model.heads.own_WD.normal_(0.0, 0.7, generator=torch.Generator().manual_seed(seed))
    return model


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_unrolled_draw_is_a_draw_of_the_sampler() -> None:
    model, rows = network(), 20_000
    real = torch.zeros(rows, 2, dtype=torch.long)
    free = torch.full((rows,), -1)
    with torch.no_grad():
        made = unrolled(model, [0, 1], real, free, generator())
    assert torch.allclose(made, made.round(), atol=1e-5)
    drawn = Sampler(model).draw(rows, [0, 1], np.random.default_rng(0)).tokens_NT
    expected = one_hot(torch.from_numpy(drawn).long(), model.get_buffer("starts_T"), 5).mean(dim=0)
    torch.testing.assert_close(made.mean(dim=0), expected, atol=0.015, rtol=0.0)


def test_a_condition_is_kept_and_the_rest_drawn_in_its_light() -> None:
    model = network(1)
    real = torch.tensor([[1, 2]] * 500)
    with torch.no_grad():
        made = unrolled(model, [0, 1], real, torch.full((500,), 1), generator())
    assert torch.allclose(made[:, 2:], torch.tensor([[0.0, 0.0, 1.0]]).expand(500, -1))
    drawn = Sampler(model).draw(20_000, [0, 1], np.random.default_rng(0), given={1: np.full(20_000, 2, np.int32)})
    assert abs(float(made[:, 1].mean()) - drawn.tokens_NT[:, 0].mean()) < 0.07


def test_gradients_reach_every_parameter_of_what_draws() -> None:
    model = network(2)
    made = unrolled(model, [0, 1], torch.zeros(64, 2, dtype=torch.long), torch.full((64,), -1), generator())
    (made * torch.arange(5.0)).sum().backward()  # type: ignore[no-untyped-call]
    silent = [n for n, p in model.named_parameters() if p.numel() and (p.grad is None or not p.grad.abs().sum())]
    assert not silent


def test_the_pairwise_loss_is_zero_on_average_for_rows_of_the_table_itself() -> None:
    g = np.random.default_rng(0)
    first = g.integers(0, 2, 4_000)
    table = torch.from_numpy(np.stack([first, first + g.integers(0, 2, 4_000)], axis=1))
    starts = torch.tensor([0, 2])
    wanted = pair_frequencies(table, starts, 5)
    loss = PairLoss(wanted)
    picks = [one_hot(table[torch.randint(4_000, (64,), generator=generator(i))], starts, 5) for i in range(300)]
    same = float(torch.stack([loss(rows) for rows in picks]).mean())
    apart = table.clone()
    apart[:, 1] = apart[torch.randperm(4_000, generator=generator(1)), 1]
    picks = [one_hot(apart[torch.randint(4_000, (64,), generator=generator(i))], starts, 5) for i in range(300)]
    shuffled = float(torch.stack([loss(rows) for rows in picks]).mean())
    assert abs(same) < 0.1 * shuffled


def test_a_critic_sees_packs_whatever_the_order_in_them_and_its_penalty_has_gradients() -> None:
    critic = Critic(TOKENS, hidden=16, generator=generator())
    rows = one_hot(torch.tensor([[0, 1], [1, 2], [1, 0], [0, 0]] * 3), torch.tensor([0, 2]), 5)
    said = critic(rows)
    assert said.shape == (len(rows) // PACK_ROWS,)
    torch.testing.assert_close(critic(rows.view(3, 4, 5).flip(1).reshape(12, 5)), said)
    penalty(critic, rows).backward()  # type: ignore[no-untyped-call]
    assert critic.table.own_WD.grad is not None
    assert critic.table.own_WD.grad.abs().sum() > 0
