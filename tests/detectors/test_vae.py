"""The VAE: its mathematics against torch's own, and what an operator reads in its reasons."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import distributions

from detectors.contract import example
from detectors.elbo import kl_to_standard_normal
from detectors.features import FeatureCodec
from detectors.vae import Config, VaeDetector
from detectors.vae_model import TabularVae


@pytest.fixture(scope="module")
def fitted() -> VaeDetector:
    detector = VaeDetector(seed=1)
    detector.fit(example(2_000)[0])
    return detector


def encoded_example(rows: int = 64) -> tuple[FeatureCodec, torch.Tensor, torch.Tensor]:
    table, _ = example(rows)
    codec = FeatureCodec.fit(table)
    encoded = codec.encode(table)
    return codec, torch.from_numpy(encoded.inputs_IB), torch.from_numpy(encoded.classes_PB).long()


def model_of(codec: FeatureCodec, members: int = 2) -> TabularVae:
    return TabularVae(codec.parts, codec.input_count, members=members, hidden=8, latent=3, seed=0)


def test_kl_is_torchs() -> None:
    g = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(50, generator=g), torch.randn(50, generator=g)
    wanted = distributions.kl_divergence(
        distributions.Normal(mean, (0.5 * logvar).exp()), distributions.Normal(torch.zeros(50), torch.ones(50))
    )
    torch.testing.assert_close(kl_to_standard_normal(mean, logvar), wanted)


def test_part_nats_are_torchs_categorical() -> None:
    codec, inputs_IB, classes_PB = encoded_example()
    model = model_of(codec)
    logits = model.decode(model.encode(inputs_IB, classes_PB)[0])
    nats_MPB = model.part_nats(logits, classes_PB)
    for (_, at), logits_MKGB in zip(model.groups, logits, strict=True):
        for g, p in enumerate(at):
            choice = distributions.Categorical(logits=logits_MKGB[:, :, g].permute(0, 2, 1))
            log_p_MB = choice.log_prob(classes_PB[p])  # type: ignore[no-untyped-call]
            torch.testing.assert_close(nats_MPB[:, p], -log_p_MB)


def test_the_fast_path_gives_the_same_nats() -> None:
    codec, inputs_IB, classes_PB = encoded_example()
    model = model_of(codec)
    with torch.no_grad():
        slow = model.part_nats(model.decode(model.encode(inputs_IB, classes_PB)[0]), classes_PB).sum(1).mean(0)
    torch.testing.assert_close(model.total_nats(inputs_IB, classes_PB), slow, rtol=1e-4, atol=1e-4)


def test_a_gradient_reaches_every_parameter() -> None:
    codec, inputs_IB, classes_PB = encoded_example(400)
    model = model_of(codec)
    model.row_loss(inputs_IB, classes_PB, torch.Generator().manual_seed(0)).mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_training_starts_from_independent_columns() -> None:
    codec, inputs_IB, classes_PB = encoded_example(500)
    model = model_of(codec)
    with torch.no_grad():
        for head in model.heads:
            head.zero_()
        nats = model.part_nats(model.decode(model.encode(inputs_IB, classes_PB)[0]), classes_PB)
    for p, part in enumerate(codec.parts):
        share_K = part.counts_K[part.counts_K > 0] / part.counts_K.sum()
        entropy = -(share_K * np.log(share_K)).sum()
        assert float(nats[:, p].mean()) == pytest.approx(entropy, abs=1e-4)


def test_it_learns_more_than_independent_columns() -> None:
    report = VaeDetector(config=Config(steps=150)).fit(example()[0])
    assert report.figures["held_out_nats"] < report.figures["independent_nats"] - 0.5


def test_members_can_be_more_than_one() -> None:
    detector = VaeDetector(config=Config(members=3, steps=20))
    table, _ = example(300)
    detector.fit(table)
    batch = table.combine_chunks().to_batches()[0]
    rows = detector.explain(batch, top=99)
    sums = [sum(reason.contribution_nats for reason in row) for row in rows]
    np.testing.assert_allclose(sums, detector.score(batch), rtol=1e-4)


def changed(**values: object) -> pa.RecordBatch:
    """One usual row with some values replaced."""
    table, _ = example(2_000, seed=5)
    row = table.slice(10, 1).to_pylist()[0] | {"amount": 20.0, "total": 24.0, "items": 2, "shop": "north"} | values
    return pa.RecordBatch.from_pylist([row], schema=table.schema)


def test_a_reason_is_in_the_users_units(fitted: VaeDetector) -> None:
    (first, *_), = fitted.explain(changed(amount=50_000.0))  # fmt: skip
    assert (first.column, first.actual) == ("amount", 50_000.0)
    assert isinstance(first.expected, float)
    assert first.low is not None
    assert first.high is not None
    assert 5.0 < first.low <= first.expected <= first.high < 2_000.0
    assert "above" in first.note


@pytest.mark.parametrize(
    ("values", "note"), [({"shop": "moon"}, "never seen in training"), ({"total": None}, "missing")]
)
def test_a_reason_says_what_numbers_cannot(fitted: VaeDetector, values: dict[str, object], note: str) -> None:
    (first, *_), = fitted.explain(changed(**values))  # fmt: skip
    assert first.column == next(iter(values))
    assert first.note == note
    assert first.actual == next(iter(values.values()))
    assert first.expected is not None


def test_times_and_codes_are_text(fitted: VaeDetector) -> None:
    (reasons,) = fitted.explain(changed(), top=99)
    by_name = {reason.column: reason for reason in reasons}
    assert str(by_name["time"].actual).startswith("2026-01-")
    assert str(by_name["time"].expected)[:3] in {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
    assert isinstance(by_name["code"].actual, str)
    assert isinstance(by_name["member"].actual, bool)


def test_a_time_budget_of_nothing_still_gives_a_detector() -> None:
    detector = VaeDetector(time_budget_seconds=0.0)
    table, _ = example(300)
    assert detector.fit(table).stopped_because == "time budget spent"
    assert np.isfinite(detector.score(table.combine_chunks().to_batches()[0])).all()
