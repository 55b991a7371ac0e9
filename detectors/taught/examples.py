"""Anomalies of the training families, put into a copy of training rows: what a detector learns from without labels.

Only families that `injection.families_for` gives to training: what chooses, gates and canaries ask for stays unknown
to the detector. Faults of a sensor are put into single rows (one row a run), since rows are judged alone here, at many
severities, into one, two and a third of the numeric columns. Added rows (collective anomalies) are left out: they are
strange by what came before them, which a row's columns show only where context was derived after the injection; hand
such rows over as labels.
"""

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, feature_fields, kind_of
from detectors.injection import (
    AnomalyKind,
    Family,
    Injected,
    Plan,
    Purpose,
    families_for,
    inject,
    possible_families,
    seed_for,
)
from detectors.taught.labels import BoolArray, Labels

SHARE = 0.02
"""Of the rows, for each family."""
SEVERITY = (1.0, 8.0)
"""Robust standard deviations: from what nobody can see to what everybody sees."""


def training_families(schema: pa.Schema) -> tuple[Family, ...]:
    """The families that rows of this schema can show by themselves."""
    numbers = sum(kind_of(field) is Kind.NUMERIC for field in feature_fields(schema))
    single = [
        family
        for family in possible_families(schema, share=SHARE, ordered=False)
        if family.kind in (AnomalyKind.POINT, AnomalyKind.CONTEXTUAL)
    ]
    widths = sorted({1, min(2, numbers), max(1, round(numbers / 3))}) if numbers else []
    shaken = [
        Family(kind=kind, share=SHARE, columns=width, severity=SEVERITY, run_rows=1)
        for kind in (AnomalyKind.NOISY, AnomalyKind.SPIKE)
        for width in widths
    ]
    return families_for(Purpose.TRAINING, (*single, *shaken))


def examples(table: pa.Table, *, seed: int) -> tuple[pa.Table, Labels]:
    """Rows of `table` that were made anomalous, with their families; no rows where nothing can be injected."""
    families = training_families(table.schema)
    if not families:
        return table.slice(0, 0), Labels(_none())
    made: Injected = inject(table, Plan(families=families), seed=seed_for(Purpose.TRAINING, seed))
    changed = made.truth.labels_N
    family_N = made.truth.family_N[changed].astype("int64")
    return made.table.filter(pa.array(changed)), Labels(changed[changed], family_N)


def _none() -> BoolArray:
    return np.zeros(0, dtype=np.bool_)
