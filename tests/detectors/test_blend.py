"""What the blend promises beyond the contract: floods first, names count for what they tell, reasons know context."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.blend.detector import BlendDetector
from detectors.blend.matrix import Matrix
from detectors.columns import Kind, Role, make_field
from detectors.evaluation import auroc
from detectors.features import FeatureCodec

ROWS = 4_000
CURRENCY = {"at": "eur", "us": "usd", "jp": "jpy", "gb": "gbp"}


def payments(rows: int, seed: int) -> pa.Table:
    """Country, the currency it implies, an amount of the currency's size, and a count."""
    generator = np.random.default_rng(seed)
    country = generator.choice(list(CURRENCY), rows)
    currency = np.array([CURRENCY[c] for c in country])
    size = np.where(currency == "jpy", 8.0, 3.0)
    columns = {
        "country": (Kind.CATEGORICAL, country),
        "currency": (Kind.CATEGORICAL, currency),
        "amount": (Kind.NUMERIC, np.exp(generator.normal(size, 0.4))),
        "count": (Kind.NUMERIC, generator.poisson(5.0, rows).astype(float)),
    }
    fields = [make_field(name, kind, [Role.FEATURE]) for name, (kind, _) in columns.items()]
    return pa.table([pa.array(values) for _, values in columns.values()], schema=pa.schema(fields))


@pytest.fixture(scope="module")
def fitted() -> BlendDetector:
    detector = BlendDetector()
    detector.fit(payments(ROWS, 0))
    return detector


def changed(table: pa.Table, name: str, values: list[object]) -> pa.RecordBatch:
    at = table.schema.get_field_index(name)
    column = pa.array(values, table.schema.field(name).type)
    return table.set_column(at, table.schema.field(at), column).combine_chunks().to_batches()[0]


def test_the_farther_beyond_training_the_higher(fitted: BlendDetector) -> None:
    scores = fitted.score(changed(payments(4, 1), "count", [30.0, 300.0, 3_000.0, 30_000.0]))
    assert (np.diff(scores) > 0).all()


def test_a_flood_outranks_the_worst_of_training(fitted: BlendDetector) -> None:
    flood = fitted.score(changed(payments(200, 2), "count", [2_000.0] * 200))
    assert flood.min() > np.quantile(fitted.score(payments(ROWS, 0).combine_chunks().to_batches()[0]), 0.999)


def test_a_name_in_the_wrong_company_is_a_reason(fitted: BlendDetector) -> None:
    """Every value is usual; only country and currency together are not."""
    rows = payments(100, 3)
    others = {"at": "usd", "us": "gbp", "jp": "eur", "gb": "usd"}
    batch = changed(rows, "currency", [others[c] for c in rows["country"].to_pylist()])
    named = [{reason.column for reason in row} for row in fitted.explain(batch, top=2)]
    assert sum("currency" in row or "country" in row for row in named) >= 98


def test_contributions_add_up_to_the_score(fitted: BlendDetector) -> None:
    batch = changed(payments(50, 4), "count", [100.0] * 50)
    sums = [sum(reason.contribution_nats for reason in row) for row in fitted.explain(batch, top=99)]
    np.testing.assert_allclose(sums, fitted.score(batch), rtol=1e-4)


def test_views_that_see_names_by_rarity_count_by_the_share_of_numbers() -> None:
    table = payments(500, 5)
    codec = FeatureCodec.fit(table)
    assert Matrix.fit(codec, codec.encode(table)).plain_share == 0.5
    numbers = table.select(["amount", "count"])
    codec = FeatureCodec.fit(numbers)
    assert Matrix.fit(codec, codec.encode(numbers)).plain_share == 1.0


def test_a_tenth_of_anomalies_in_training_are_found_all_the_same() -> None:
    generator = np.random.default_rng(6)
    labels = generator.random(ROWS) < 0.1
    x_BD = generator.normal(size=(ROWS, 6))
    x_BD[labels] = generator.uniform(-6.0, 6.0, size=(labels.sum(), 6))
    fields = [make_field(f"f{d}", Kind.NUMERIC, [Role.FEATURE]) for d in range(6)]
    table = pa.table([pa.array(column) for column in x_BD.T], schema=pa.schema(fields))
    detector = BlendDetector()
    detector.fit(table)
    assert auroc(detector.score(table.combine_chunks().to_batches()[0]), labels) > 0.97
