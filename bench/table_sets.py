"""Labelled public tables without a clock, split by their protocol, and mixed tables whose labels are left out.

`adbench`: 24 tables of numbers; scikit-learn's split, 30% scored, labels stratified, anomalies left in training.
`adult_48842`, `bank_marketing`: numbers and names; every row counts as ordinary. All are looked for in the folder that
EDDYLINE_DATA names.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from bench.detection_sets import DetectionSet
from detectors.columns import Kind, Role, feature_fields, make_field
from detectors.design import Design
from detectors.features import FeatureCodec

TEST_SHARE = 0.3
MIXED_LABELS = {"adult_48842": "income", "bank_marketing": "y"}
Float32Array = npt.NDArray[np.float32]


def adbench_paths(folder: Path) -> list[Path]:
    """The tables there are, by name."""
    return sorted((folder / "adbench").glob("*.parquet"))


def adbench(path: Path, *, split: int = 0) -> DetectionSet:
    """One table by its protocol; `split` is the seed of `train_test_split`."""
    rows = pq.read_table(path)
    labels = np.asarray(rows["label"].to_numpy()) != 0
    train, test = train_test_split(np.arange(len(labels)), test_size=TEST_SHARE, random_state=split, stratify=labels)
    typed = _typed(rows.drop_columns(["label"]))
    return DetectionSet(path.stem, typed.take(train), typed.take(test), labels[train], labels[test])


def mixed(folder: Path, name: str) -> DetectionSet:
    """`adult_48842` or `bank_marketing` without its label column, split by a seeded shuffle."""
    rows = _typed(pq.read_table(folder / f"{name}.parquet").drop_columns([MIXED_LABELS[name]]))
    order = np.random.default_rng(0).permutation(rows.num_rows)
    cut = round(rows.num_rows * (1.0 - TEST_SHARE))
    ordinary = np.zeros(rows.num_rows, dtype=np.bool_)
    return DetectionSet(name, rows.take(order[:cut]), rows.take(order[cut:]), ordinary[:cut], ordinary[cut:])


def _typed(rows: pa.Table) -> pa.Table:
    """Numbers as doubles (integers stay integers), everything else as names."""
    fields = []
    for field in rows.schema:
        if pa.types.is_integer(field.type):
            fields.append(make_field(field.name, Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()))
        elif pa.types.is_floating(field.type):
            fields.append(make_field(field.name, Kind.NUMERIC, [Role.FEATURE]))
        else:
            fields.append(make_field(field.name, Kind.CATEGORICAL, [Role.FEATURE]))
    return pa.table([rows[field.name].cast(field.type) for field in fields], schema=pa.schema(fields))


def drawn(table: pa.Table, most: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Row numbers of at most `most` rows, in their order."""
    if table.num_rows <= most:
        return np.arange(table.num_rows)
    return np.sort(np.random.default_rng(seed).choice(table.num_rows, most, replace=False))


def plain_numbers(*tables: pa.Table) -> list[npt.NDArray[np.float64]]:
    """The feature columns of tables of numbers as they are, (rows, columns) each."""
    names = [field.name for field in feature_fields(tables[0].schema)]
    return [np.stack([t[name].cast(pa.float64()).to_numpy() for name in names], axis=1) for t in tables]


def design_of(train: pa.Table) -> Design:
    """Numbers, waves of time and one-hot names, as fitted on `train`: what PCA and our forest see too."""
    return Design.of(FeatureCodec.fit(train))


def designed(design: Design, table: pa.Table) -> Float32Array:
    """Rows of a design's matrix, (rows, columns)."""
    return design.matrix(design.codec.encode(table))
