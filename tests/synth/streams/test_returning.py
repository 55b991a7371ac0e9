"""Names of many levels that come again: a clerk who keeps a case, and clerks too rare to be named."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from synth.autoregressive.generator import Config
from synth.streams import StreamGenerator
from tests.synth.streams.payments import payments
from tests.synth.streams.resampling import histories, reloaded

CLERKS = 35


@pytest.fixture(scope="module")
def source() -> pa.Table:
    """Each customer has one clerk of 35, now and then another; two clerks were seen once."""
    table = payments(150)
    g = np.random.default_rng(0)
    own = np.array([int(name[1:]) % CLERKS for name in table["customer"].to_pylist()])
    clerk = np.where(g.random(len(own)) < 0.1, g.integers(0, CLERKS, len(own)), own)
    clerk[:2] = (100, 101)
    names = pa.array([f"clerk {n}" for n in clerk])
    return table.append_column(make_field("clerk", Kind.CATEGORICAL, [Role.FEATURE]), names).drop_columns(["shop"])


def test_keys_keep_their_clerk_and_rare_clerks_are_not_named(source: pa.Table) -> None:
    config = Config(width=24, hidden=24, batch_rows=128, most_steps=80)
    stream = StreamGenerator(seed=1, time_budget_seconds=600, model_settings={"config": config})
    stream.fit(source)
    made = stream.sample(600, seed=2)
    assert reloaded(stream).sample(600, seed=2).equals(made)
    assert not {"clerk 100", "clerk 101"} & set(made["clerk"].to_pylist())
    assert "clerk 100" not in str(stream.state()[1]["levels"])
    changes = [np.mean([a != b for a, b in pairwise(p)]) for p in _clerks(made)]
    real = [np.mean([a != b for a, b in pairwise(p)]) for p in _clerks(source.sort_by("at"))]
    assert np.mean(changes) == pytest.approx(np.mean(real), abs=0.15)


def _clerks(table: pa.Table) -> list[list[str]]:
    return [part["clerk"].to_pylist() for part in histories(table).values() if part.num_rows > 3]
