"""Rows are drawn as the model says: shared beginnings, blocks, conditions and given values change nothing of that."""

import numpy as np
import pytest
import torch

from synth.autoregressive import sampler as sampling
from synth.autoregressive.drawing import draw_tokens
from synth.autoregressive.generator import MOST_MASK_BYTES, rows_at_once
from synth.autoregressive.model import AutoregressiveModel, natural_order, order_masks, random_order
from synth.autoregressive.sampler import Sampler
from synth.codec import TokenCodec
from synth.codec.column import Allowed
from synth.codec.levels import LevelsCodec
from synth.codec.table import Token
from synth.wanted import Wanted

SIZES = (2, 3, 4)
ROWS = 40_000


def token(column: int, classes: int) -> Token:
    every = np.ones(classes, dtype=np.bool_)
    return Token(column, classes, 1, False, np.arange(1.0, classes + 1), None, every)


@pytest.fixture(scope="module")
def model() -> AutoregressiveModel:
    tokens = [token(at, size) for at, size in enumerate(SIZES)]
    made = AutoregressiveModel(tokens, width=16, hidden=16, dropout=0.0, seed=1)
    with torch.no_grad():
        made.heads.own_WD.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(2))
    return made


def joint(model: AutoregressiveModel, order: list[int]) -> np.ndarray:
    """The probability of every row, by the likelihood that training minimises."""
    rows = torch.cartesian_prod(*(torch.arange(size) for size in SIZES))
    masks = order_masks(torch.tensor([order])).expand(len(rows), -1, -1)
    with torch.no_grad():
        return torch.exp(-model.losses(rows, masks, None).sum(dim=1)).numpy().reshape(SIZES)


def frequencies(tokens_NT: np.ndarray) -> np.ndarray:
    counts = np.zeros(SIZES)
    np.add.at(counts, tuple(tokens_NT.T), 1.0)
    return counts / len(tokens_NT)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_rows_come_as_often_as_the_likelihood_says(
    model: AutoregressiveModel, order: list[int], shared: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "SHARED_SHARE", shared)
    drawn = Sampler(model).draw(ROWS, order, np.random.default_rng(0)).tokens_NT
    np.testing.assert_allclose(frequencies(drawn), joint(model, order), atol=0.01)


def codec() -> TokenCodec:
    columns = []
    for at, size in enumerate(SIZES):
        names = [f"{at}{level}" for level in range(size)]
        counts = np.arange(1.0, size + 1)
        columns.append(
            LevelsCodec(f"c{at}", levels=names, counts=counts, has_other=False, has_missing=False, arrow_type="string")
        )
    return TokenCodec(columns, rows=10)


def test_two_conditions_at_once_are_met_as_often_as_bayes_says(model: AutoregressiveModel) -> None:
    wanted = Wanted(allowed={1: Allowed(np.array([1.0, 0.0, 1.0])), 2: Allowed(np.array([0.5, 1.0, 0.0, 1.0]))})
    order = natural_order(codec().tokens)
    drawn = draw_tokens(Sampler(model), codec(), order, ROWS, np.random.default_rng(1), wanted)
    # conditioned columns come first, in the codec's order; the rest in their light
    expected = joint(model, [1, 2, 0]) * np.array([1.0, 0.0, 1.0])[None, :, None] * np.array([0.5, 1, 0, 1])
    np.testing.assert_allclose(frequencies(drawn), expected / expected.sum(), atol=0.012)


def test_given_values_stay_and_the_others_follow_them(model: AutoregressiveModel) -> None:
    given = np.tile(np.array([0, 3], dtype=np.int32), ROWS // 2)
    drawn = draw_tokens(Sampler(model), codec(), [0, 1, 2], ROWS, np.random.default_rng(2), Wanted(given={2: given}))
    np.testing.assert_array_equal(drawn[:, 2], given)
    expected = joint(model, [2, 0, 1])[:, :, 3]
    np.testing.assert_allclose(frequencies(drawn[1::2])[:, :, 3], expected / expected.sum(), atol=0.012)


def test_a_second_token_always_follows_its_first() -> None:
    halves = [token(0, 5), token(1, 9), Token(1, 9, 9, True, np.ones(9), None, np.ones(9, dtype=np.bool_))]
    for seed in range(20):
        order = random_order(halves, np.random.default_rng(seed))
        assert order.index(2) == order.index(1) + 1


def test_every_parameter_has_a_gradient(model: AutoregressiveModel) -> None:
    rows = torch.cartesian_prod(*(torch.arange(size) for size in SIZES))
    model.zero_grad()
    masks = order_masks(torch.stack([torch.randperm(3, generator=torch.Generator().manual_seed(i)) for i in range(24)]))
    model.losses(rows, masks, None).sum().backward()  # type: ignore[no-untyped-call]
    silent = [n for n, p in model.named_parameters() if p.numel() and (p.grad is None or not p.grad.abs().sum())]
    assert not silent


def test_wide_tables_are_learned_in_smaller_batches_so_that_masks_stay_bounded() -> None:
    assert rows_at_once(256, 25) == 256
    assert [rows_at_once(1_024, tokens) * tokens**2 * 4 <= MOST_MASK_BYTES for tokens in (300, 600, 1_556)] == [
        True
    ] * 3
    assert rows_at_once(256, 0) == 256
