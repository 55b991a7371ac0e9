"""The default models of a stream: names that come again are taken, not guessed; a killed fit goes on."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import synth.streams.row_model
import synth.training
from detectors.base import Tensors
from detectors.columns import Kind, make_field
from synth.autoregressive.generator import Config
from synth.conditions import Conditions
from synth.streams import StreamGenerator
from synth.streams.fields import table_of
from synth.streams.recency import NEW
from synth.streams.row_model import GivenFirstGenerator, Recent
from tests.synth.streams.payments import payments

LEVELS = 6


def rows(count: int = 600) -> pa.Table:
    """Given: a number. Drawn: a rank, a name, and a colour that the name decides."""
    g = np.random.default_rng(0)
    name = g.permutation(np.arange(count) % LEVELS)
    rank = g.choice([NEW, 0, 1], count)
    return table_of(
        [
            (make_field("given", Kind.NUMERIC, arrow_type=pa.int64()), pa.array(g.integers(0, 3, count))),
            (make_field("rank", Kind.NUMERIC, arrow_type=pa.int64()), pa.array(rank)),
            (make_field("name", Kind.CATEGORICAL), pa.array([f"n{n}" for n in name])),
            (make_field("colour", Kind.CATEGORICAL), pa.array(np.array(["red", "blue"])[name % 2])),
        ]
    )


def test_a_name_that_comes_again_is_the_one_used_before_and_what_follows_fits_it() -> None:
    config = Config(width=32, hidden=32, most_steps=200)
    model = GivenFirstGenerator(given_columns=1, returning={"name": "rank"}, prepare=False, config=config)
    table = rows()
    model.fit(table)
    again = GivenFirstGenerator.from_state(*model.state())
    names = pa.array([f"n{n}" for n in range(LEVELS)] + ["other"])
    recent = np.stack([np.arange(500) % LEVELS, (np.arange(500) + 1) % LEVELS], axis=1).astype(np.int32)
    for one in (model, again):
        one.recent = {"name": Recent(names, recent)}
    conditions = Conditions(given=pa.table({"given": pa.array(np.zeros(500, dtype=np.int64))}))
    made = model.sample(500, seed=1, conditions=conditions)
    assert again.sample(500, seed=1, conditions=conditions).equals(made)
    rank = made["rank"].to_numpy()
    taken = rank >= 0
    numbers = np.array([int(name[1:]) for name in made["name"].to_pylist()])
    assert np.array_equal(numbers[taken], recent[np.arange(500), np.maximum(rank, 0)][taken])
    fits = np.array(made["colour"].to_pylist()) == np.array(["red", "blue"])[numbers % 2]
    assert fits[taken].mean() > 0.8
    assert set(made["given"].to_pylist()) == {0}


class Kept:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.saved: tuple[Tensors, dict[str, Any]] | None = None

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        return self.saved

    def save(self, tensors: Tensors, document: dict[str, Any]) -> None:
        self.saved = {name: value.copy() for name, value in tensors.items()}, document

    def clear(self) -> None:
        self.saved = None


class KilledError(Exception):
    """What ends a fit in its middle."""


def test_a_fit_that_was_killed_and_resumed_ends_where_it_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth.training, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(synth.streams.row_model, "Schedule", partial(synth.training.Schedule, check_every=15))
    table = payments(12)
    config = Config(width=16, hidden=16, most_steps=50)

    def stream() -> StreamGenerator:
        return StreamGenerator(seed=2, time_budget_seconds=600, model_settings={"config": config})

    def stop(done: float, text: str) -> None:
        if done > 0.7:
            raise KilledError

    straight, broken, resumed = stream(), stream(), stream()
    straight.fit(table, label="bad")
    checkpoint = Kept()
    with pytest.raises(KilledError):
        broken.fit(table, label="bad", checkpoint=checkpoint, progress=stop)
    report = resumed.fit(table, label="bad", checkpoint=checkpoint)
    assert report.resumed
    assert checkpoint.load() is None
    assert resumed.sample(200, seed=0).equals(straight.sample(200, seed=0))
