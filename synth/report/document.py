"""The report as one JSON document: the verdict, every measure, the lineage, and what the pictures show."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from synth.conditions import Conditions
from synth.fidelity.conditional import can_be_balanced, matching
from synth.fidelity.fidelity import Fidelity
from synth.fidelity.frames import frames, personal_columns, with_known_kinds
from synth.gates import Thresholds, Verdict
from synth.privacy.measures import Privacy
from synth.report.summaries import summaries

FORMAT = 1
MOST_DRAWN_ROWS = 50_000
"""Of each table, a seeded choice of more."""


def document(
    *,
    title: str,
    real: pa.Table,
    synthetic: pa.Table,
    fidelity: Fidelity,
    privacy: Privacy | None,
    verdict: Verdict,
    thresholds: Thresholds,
    lineage: Mapping[str, Any],
    label: str | None = None,
    conditions: Conditions | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything the page shows; JSON-able. `real` are rows to draw beside the synthetic ones: held-out ones, for they
    are not in the model; only those that meet the conditions are drawn. `lineage` is shown as it is, nested as it is.

    It holds shares of rows and names of levels that at least five real rows have, and nothing of personal columns.
    """
    typed = with_known_kinds(real, label=label)
    wanted = conditions or Conditions()
    if wanted.balance is not None and not can_be_balanced(typed, wanted.balance):
        wanted = Conditions(where=wanted.where)
    matched = matching(typed, wanted, seed=seed)
    pictures: dict[str, Any] = _NOTHING
    personal = sorted(personal_columns(typed))
    if matched.num_rows and synthetic.num_rows and fidelity.columns:
        shown = frames(_bounded(matched, seed), _bounded(synthetic.select(matched.column_names), seed))
        pictures = summaries(*(frame.without(personal) for frame in shown), fidelity=fidelity)
    return {
        "format": FORMAT,
        "title": title,
        "subtitle": f"{fidelity.rows.get('synthetic', synthetic.num_rows):,} synthetic rows beside real ones",
        "verdict": verdict.document(),
        "thresholds": thresholds.document(),
        "fidelity": fidelity.document(),
        "privacy": None if privacy is None else privacy.document(),
        "lineage": dict(lineage),
        "pictures": pictures,
        "personal": personal,
    }


_NOTHING: dict[str, Any] = {
    "marginals": [],
    "pairs": [],
    "associations": {"columns": [], "real": [], "synthetic": []},
    "times": [],
    "there_are": {"columns": 0, "pairs": 0, "times": 0},
}


def _bounded(table: pa.Table, seed: int) -> pa.Table:
    if table.num_rows <= MOST_DRAWN_ROWS:
        return table
    return table.take(np.sort(np.random.default_rng(seed).choice(table.num_rows, MOST_DRAWN_ROWS, replace=False)))
