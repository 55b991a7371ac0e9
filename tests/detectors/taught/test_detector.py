"""What teaching promises beyond the contract: families never taught are found better, labels are obeyed."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.blend.detector import BlendDetector
from detectors.columns import Kind, Role, make_field
from detectors.errors import UnusableDataError
from detectors.evaluation import average_precision
from detectors.injection import AnomalyKind, Family, Plan, Purpose, families_for, inject, seed_for
from detectors.taught.detector import TaughtDetector
from detectors.taught.examples import examples, training_families
from detectors.taught.labels import Labels

ROWS, CALM, WILD = 3_000, 4, 4


def table(rows: int, seed: int) -> pa.Table:
    """Calm columns, where a step away tells, and wild ones, whose far values are ordinary; a level of each row."""
    generator = np.random.default_rng(seed)
    calm = {f"calm{i}": generator.normal(0.0, 1.0, rows) for i in range(CALM)}
    wild = {f"wild{i}": generator.standard_t(1.5, rows) for i in range(WILD)}
    fields = [make_field(name, Kind.NUMERIC, [Role.FEATURE]) for name in (*calm, *wild)]
    fields.append(make_field("shop", Kind.CATEGORICAL, [Role.FEATURE]))
    shop = pa.array(generator.choice(["north", "south"], rows).tolist())
    return pa.table([*map(pa.array, (*calm.values(), *wild.values())), shop], schema=pa.schema(fields))


def batch(rows: pa.Table) -> pa.RecordBatch:
    return rows.combine_chunks().to_batches()[0]


@pytest.fixture(scope="module")
def taught() -> TaughtDetector:
    detector = TaughtDetector()
    detector.fit(table(ROWS, 0))
    return detector


def test_only_families_that_belong_to_training_teach() -> None:
    families = training_families(table(10, 0).schema)
    assert families
    assert families_for(Purpose.TRAINING, families) == families


def test_a_family_never_taught_is_found_better_than_by_the_blend(taught: TaughtDetector) -> None:
    calm = tuple(f"calm{i}" for i in range(CALM))
    shift = Family(kind=AnomalyKind.POINT, variant="number", share=0.03, severity=(4.0, 4.0))
    asked = inject(table(ROWS, 1), Plan(families=(shift,), columns=calm), seed=seed_for(Purpose.GATE, 0))
    rows, labels = batch(asked.table), asked.truth.labels_N
    assert average_precision(taught.score(rows), labels) > 1.1 * average_precision(taught.score_untaught(rows), labels)


def test_the_blend_inside_is_the_blend(taught: TaughtDetector) -> None:
    blend = BlendDetector()
    blend.fit(table(ROWS, 0))
    rows = batch(table(500, 2))
    np.testing.assert_array_equal(taught.score_untaught(rows), blend.score(rows))
    assert (taught.score(rows) >= blend.score(rows) * (1 - 1e-4)).all()


def test_labelled_rows_are_examples_and_never_normal() -> None:
    """A third of the rows are alike and strange: unlabelled they would be normal, labelled they come first."""
    ordinary, strange = table(1_000, 3), table(500, 4)
    moved = strange.set_column(0, ordinary.schema.field(0), pa.array(np.full(500, 3.5)))
    rows = pa.concat_tables([ordinary, moved])
    anomalous = np.arange(1_500) >= 1_000
    detector = TaughtDetector()
    report = detector.fit(rows, labels=Labels(anomalous))
    assert report.figures["taught_by_rows"] == 500
    assert average_precision(detector.score(batch(rows)), anomalous) > 0.9
    unlabelled = TaughtDetector()
    unlabelled.fit(rows)
    assert average_precision(unlabelled.score(batch(rows)), anomalous) < 0.6


def test_labels_for_other_rows_are_refused() -> None:
    with pytest.raises(UnusableDataError, match="one label a row"):
        TaughtDetector().fit(table(50, 5), labels=Labels(np.zeros(49, dtype=np.bool_)))


def test_without_examples_the_blend_stands() -> None:
    rows = table(200, 6)
    detector = TaughtDetector()
    detector.fit(rows, labels=Labels(np.zeros(200, dtype=np.bool_)))
    np.testing.assert_array_equal(detector.score(batch(rows)), detector.score_untaught(batch(rows)))


def test_the_same_seed_makes_the_same_examples() -> None:
    rows = table(400, 7)
    (first, labels), (second, _), (other, _) = (examples(rows, seed=seed) for seed in (0, 0, 1))
    assert first.equals(second)
    assert not first.equals(other)
    assert first.num_rows == labels.anomalous_N.sum() > 0
    assert rows.equals(table(400, 7))
