"""Labels are read only where handed over, and families count alike."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.errors import UnusableDataError
from detectors.taught.labels import Labels


def dataset() -> pa.Table:
    """What a synthetic dataset with anomalies holds beside its columns."""
    return pa.table(
        {
            "amount": [1.0, 2.0, 3.0, 4.0, 5.0],
            "_anomaly": [True, None, True, False, True],
            "_anomaly_family": ["spike", None, "spike", None, "noisy"],
        }
    )


def test_a_labelled_dataset_says_which_rows_are_anomalous() -> None:
    assert Labels.of(dataset()).anomalous_N.tolist() == [True, False, True, False, True]


def test_families_count_alike_however_many_rows_they_have() -> None:
    assert Labels.of(dataset()).weights().tolist() == [0.25, 0.25, 0.5]


def test_zeros_and_ones_are_labels_too_and_are_one_family() -> None:
    labels = Labels.of(pa.table({"fraud": [0, 1, 1]}), column="fraud")
    assert labels.weights().tolist() == [0.5, 0.5]


def test_what_is_no_label_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnusableDataError, match="generate it with anomalies"):
        Labels.of(pa.table({"amount": [1.0]}))
    with pytest.raises(UnusableDataError, match="true/false or 0/1"):
        Labels.of(dataset(), column="_anomaly_family")
    with pytest.raises(ValueError, match="give one a row"):
        Labels(np.zeros(3, dtype=np.bool_), np.zeros(2, dtype=np.int64))
