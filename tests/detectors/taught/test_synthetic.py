"""A labelled synthetic dataset teaches as it is: its labels are read by name and are no features."""

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, make_field
from detectors.taught.detector import TaughtDetector
from detectors.taught.labels import Labels
from synth.anomalies.inject import with_anomalies
from synth.anomalies.request import AnomalyRequest

ROWS = 1_000


def test_a_dataset_with_anomalies_teaches() -> None:
    generator = np.random.default_rng(0)
    fields = [make_field(name, Kind.NUMERIC, [Role.FEATURE]) for name in ("amount", "items", "total")]
    amount, items = generator.normal(10.0, 1.0, ROWS), generator.normal(5.0, 1.0, ROWS)
    table = pa.table([pa.array(amount), pa.array(items), pa.array(amount + items)], schema=pa.schema(fields))
    dataset = with_anomalies(table, AnomalyRequest(share=0.1, names=("spike",)), seed=0, ordered=True)
    labels = Labels.of(dataset)
    detector = TaughtDetector()
    report = detector.fit(dataset, labels=labels)
    assert report.figures["taught_by_rows"] == labels.anomalous_N.sum() > 50
    assert list(detector.feature_names) == ["amount", "items", "total"]
    assert detector.views(dataset.combine_chunks().to_batches()[0])[-1][labels.anomalous_N].mean() > 2.0
