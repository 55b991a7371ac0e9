"""All measures of what synthetic rows give away, as one document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synth.fidelity.frames import frames, with_known_kinds
from synth.privacy.copies import CopyShare, exact_copies_of, near_copies_of
from synth.privacy.membership import Membership, membership_of
from synth.privacy.rare_values import RareValues, rare_values_of, replaced_again

MOST_READ_ROWS = 200_000
"""Of synthetic rows and of training rows; a seeded choice of more is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """Copies, membership and rare values of one synthetic table."""

    near_copies: CopyShare
    exact_copies: CopyShare
    membership: Membership
    rare_values: RareValues
    rows: Mapping[str, int]
    """`real_train`, `held_out`, `synthetic`: as given."""
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        return {
            "near_copies": self.near_copies.document(),
            "exact_copies": self.exact_copies.document(),
            "membership": self.membership.document(),
            "rare_values": self.rare_values.document(),
            "rows": dict(self.rows),
            "notes": list(self.notes),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Privacy":
        """What `document` wrote."""
        return cls(
            near_copies=CopyShare.from_document(document["near_copies"]),
            exact_copies=CopyShare.from_document(document["exact_copies"]),
            membership=Membership.from_document(document["membership"]),
            rare_values=RareValues.from_document(document["rare_values"]),
            rows=document["rows"],
            notes=tuple(document["notes"]),
        )


def measure(
    real_train: pa.Table, held_out: pa.Table, synthetic: pa.Table, *, label: str | None = None, seed: int = 0
) -> Privacy:
    """What `synthetic`, made from `real_train`, gives away; `held_out` rows are of the same source, not trained on.

    Deterministic; the order of rows does not matter. About 8 CPU seconds for 10,000 rows against 40,000 of 15 columns.
    Conditions play no part: a copy is a copy whatever was asked for. Raises UnusableDataError where a table is empty,
    lacks a column, or no column can be measured.
    """
    rows = {"real_train": real_train.num_rows, "held_out": held_out.num_rows, "synthetic": synthetic.num_rows}
    notes = []
    if max(rows["real_train"], rows["synthetic"]) > MOST_READ_ROWS:
        notes.append(f"looked at {MOST_READ_ROWS:,} rows of each table, a seeded choice")
    real_train, synthetic = (_bounded(table, seed) for table in (with_known_kinds(real_train, label=label), synthetic))
    encoded = frames(real_train, held_out, synthetic)
    return Privacy(
        near_copies=near_copies_of(*encoded, seed=seed),
        exact_copies=exact_copies_of(*encoded, seed=seed),
        membership=membership_of(*encoded, seed=seed),
        rare_values=rare_values_of(encoded, label=label, replaced=replaced_again(real_train, synthetic)),
        rows=rows,
        notes=tuple(notes),
    )


def _bounded(table: pa.Table, seed: int) -> pa.Table:
    if table.num_rows <= MOST_READ_ROWS:
        return table
    return table.take(np.sort(np.random.default_rng(seed).choice(table.num_rows, MOST_READ_ROWS, replace=False)))
