"""The training loop: what stops it, what it leaves behind, and that bad rows do not steer it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from detectors.training import Schedule, train, trimmed_mean


class Level(nn.Module):
    """One number per member, to be fitted to data by squared error."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1, 1))

    def loss(self, data: Tensor) -> Tensor:
        return (data[None] - self.value).square()


def fit(data: Tensor, *, seed: int = 0, ticks: float = 0.0, **settings: Any) -> tuple[Level, str, list[float]]:
    level = Level()
    clock = iter(range(10_000))
    shown: list[float] = []
    schedule = replace(Schedule(steps=300, batch_rows=256, learning_rate=0.05), **settings)
    run = train(
        level,
        lambda at, noise: level.loss(data[at]),
        len(data),
        schedule=schedule,
        seed=seed,
        progress=lambda done, text: shown.append(done),
        monotonic=lambda: next(clock) * ticks,
    )
    return level, run.stopped_because, shown


def data(wild: float) -> Tensor:
    g = torch.Generator().manual_seed(0)
    clean = 3.0 + 0.1 * torch.randn(2_000, generator=g)
    return torch.where(torch.rand(2_000, generator=g) < 0.05, torch.full_like(clean, wild), clean)


def test_five_per_cent_of_wild_rows_do_not_steer_it() -> None:
    trimmed, _, _ = fit(data(wild=500.0))
    untrimmed, _, _ = fit(data(wild=500.0), trim_share=0.0)
    assert float(trimmed.value.detach()) == pytest.approx(3.0, abs=0.05)
    assert abs(float(untrimmed.value.detach()) - 3.0) > 0.5


def test_the_same_seed_gives_the_same_weights_and_global_state_is_left_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second, other = (fit(data(3.0), seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first.value, second.value)
    assert not torch.equal(first.value, other.value)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_stops_when_the_held_out_loss_no_longer_falls() -> None:
    assert fit(data(3.0), learning_rate=0.0)[1] == "held-out loss no longer falls"


def test_it_stops_at_its_time_budget() -> None:
    _, reason, shown = fit(data(3.0), ticks=1.0, time_budget_seconds=3.0)
    assert reason == "time budget spent"
    assert shown == sorted(shown)
    assert shown[-1] == 1.0


def test_trimmed_mean_drops_the_worst_of_each_member() -> None:
    loss_MB = torch.tensor([[1.0, 2.0, 3.0, 100.0], [5.0, 5.0, 5.0, 5.0]])
    assert float(trimmed_mean(loss_MB, 0.25)) == pytest.approx((2.0 + 5.0) / 2)
    assert float(trimmed_mean(loss_MB[:, :1], 0.9)) == pytest.approx(3.0)
