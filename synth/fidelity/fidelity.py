"""What a measurement of fidelity found: every score beside its ceiling and floor, as a JSON document and back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synth.fidelity.intervals import NOT_KNOWN, Score

SCORES: dict[str, str] = {
    "shape": "how alike each column by itself is: the mean of 1 − KS (numbers) or 1 − TV (names)",
    "trend": "how alike pairs of columns are: the mean of 1 − |Δ correlation| / 2 or 1 − TV of the contingency table",
    "c2st": "whether early-stopped gradient boosting can tell synthetic from held-out rows: 2(1 − AUC), 1 = it cannot",
    "c2st_strong": "the same without early stopping, trained on training rows and scored on held-out ones",
    "utility": "AUROC of the label on held-out rows, of a classifier trained on synthetic rows",
    "average_precision": "average precision of the same (of the rarer class, or the mean over classes)",
    "class_shape": "the mean shape within each class of the label",
    "rare_levels": "the share of rare levels' weight that synthetic rows have too",
    "conditions": "the share of synthetic rows that meet the conditions they were asked for",
}
"""What a fidelity's scores may be, with their meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The score of a column, a pair of columns or a class, with the same of real held-out rows."""

    names: tuple[str, ...]
    value: float
    ceiling: float

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {"names": list(self.names), "value": _or_null(self.value), "ceiling": _or_null(self.ceiling)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Item":
        """What `document` wrote."""
        value, ceiling = (_or_nan(document[key]) for key in ("value", "ceiling"))
        return cls(names=tuple(document["names"]), value=value, ceiling=ceiling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """All measures of one synthetic table; what could not be measured is NaN, and a note says why."""

    scores: Mapping[str, Score]
    """By the names of `SCORES`."""
    columns: tuple[Item, ...]
    pairs: tuple[Item, ...]
    classes: tuple[Item, ...]
    rows: Mapping[str, int]
    """`real_train`, `real_test`, `synthetic`: as given; `compared`: of each, what scores were measured on."""
    left_out: Mapping[str, str]
    """Columns that no measure looks at, with the reason."""
    notes: tuple[str, ...] = ()
    inapplicable: Mapping[str, str] = field(default_factory=dict)
    """Scores that mean nothing for the real rows themselves, with the reason: no gate asks for them."""
    sequences: Mapping[str, Any] | None = None
    """Measures of whole histories, of tables with a key and a time: `synthetic` beside `ceiling`."""

    def score(self, name: str) -> float:
        """A score's value; NaN where it was not measured."""
        found = self.scores.get(name)
        return found.value if found else NOT_KNOWN

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        return {
            "scores": {name: score.document() for name, score in self.scores.items()},
            "columns": [item.document() for item in self.columns],
            "pairs": [item.document() for item in self.pairs],
            "classes": [item.document() for item in self.classes],
            "rows": dict(self.rows),
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
            "inapplicable": dict(self.inapplicable),
            "sequences": None if self.sequences is None else dict(self.sequences),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Fidelity":
        """What `document` wrote."""
        columns, pairs, classes = (
            tuple(Item.from_document(item) for item in document[name]) for name in ("columns", "pairs", "classes")
        )
        return cls(
            scores={name: Score.from_document(score) for name, score in document["scores"].items()},
            columns=columns,
            pairs=pairs,
            classes=classes,
            rows=document["rows"],
            left_out=document["left_out"],
            notes=tuple(document["notes"]),
            inapplicable=document["inapplicable"],
            sequences=document["sequences"],
        )


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return NOT_KNOWN if value is None else float(value)
