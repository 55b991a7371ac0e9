"""Detection on real connections: the http slice of KDD Cup 1999, trained on its first 30 % with attacks left in."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.evaluation import auroc
from detectors.forest import ForestDetector
from detectors.pca import PcaDetector
from detectors.vae import VaeDetector

LEAST_AUROC = {VaeDetector: 0.86, ForestDetector: 0.82, PcaDetector: 0.75}


@pytest.fixture(scope="module")
def http() -> tuple[pa.Table, pa.RecordBatch, npt.NDArray[np.bool_]]:
    """Training table, later rows, and which of those are attacks."""
    folder = os.environ.get("EDDYLINE_DATA")
    path = Path(folder or "") / "kdd99_10pct.parquet"
    if not folder or not path.exists():
        pytest.skip("needs kdd99_10pct.parquet in the folder that EDDYLINE_DATA names")
    table = pq.read_table(path)
    table = table.filter(pc.equal(table["service"].cast(pa.string()), "http"))
    attacks = pc.not_equal(table["label"].cast(pa.string()), "normal.").to_numpy()
    columns, fields = [], []
    for field in table.drop_columns(["label"]).schema:
        named = not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
        fields.append(make_field(field.name, Kind.CATEGORICAL if named else Kind.NUMERIC, [Role.FEATURE]))
        columns.append(table[field.name].cast(fields[-1].type))
    features = pa.table(columns, schema=pa.schema(fields))
    cut = int(0.3 * len(attacks))
    return features.slice(0, cut), features.slice(cut).combine_chunks().to_batches()[0], attacks[cut:]


@pytest.mark.parametrize("detector", LEAST_AUROC, ids=lambda detector: detector.name)
def test_attacks_rank_above_other_connections(
    http: tuple[pa.Table, pa.RecordBatch, npt.NDArray[np.bool_]],
    detector: type[VaeDetector | ForestDetector | PcaDetector],
) -> None:
    train, later, attacks = http
    made = detector(seed=0)
    made.fit(train)
    scores = made.score(later)
    assert auroc(scores, attacks) > LEAST_AUROC[detector]
    worst = later.take(pa.array(np.argsort(-scores)[:50]))
    rows = made.explain(worst, top=len(made.feature_names))
    sums = [sum(reason.contribution_nats for reason in row) for row in rows]
    np.testing.assert_allclose(sums, np.sort(scores)[::-1][:50], rtol=1e-4)
