"""All measures at once, each of three tables of one size: synthetic rows, real rows, and columns shuffled apart.

The *ceiling* of a score is what a half of the training rows gets that was held out of the comparison like synthetic
rows are; the *floor* is what training rows get whose columns were shuffled independently. All three have as many rows,
because distances between tables fall, and classifiers sharpen, with the number of rows.

Rows with injected anomalies are not meant to be like real ones: measure a dataset without them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role, names_with_role
from synth.conditions import Conditions
from synth.fidelity.conditional import can_be_balanced, class_shapes_of, matching, mean_class_shape
from synth.fidelity.detection import detection, strong_detection
from synth.fidelity.fidelity import Fidelity, Item
from synth.fidelity.frames import Frame, frames, left_out, with_known_kinds
from synth.fidelity.intervals import NOT_KNOWN, Score, around
from synth.fidelity.rare import rare_coverage_of
from synth.fidelity.shapes import mean_shape, shapes_of
from synth.fidelity.trends import mean_trend, trends_of
from synth.fidelity.utility import Utility, utility_scores

MOST_ROWS = 20_000
"""Of each table, a seeded choice of more."""
MOST_READ_ROWS = 200_000
"""Of synthetic rows; a seeded choice of more is looked at, so that memory does not depend on the dataset's length."""
LEAST_KEYS = 20
"""With fewer, halves of the keys are no measure of each other."""
LEAST_ROWS = 20
"""Of each table; with fewer nothing can be said."""
FEW_TEST_ROWS = 200
"""With fewer held-out rows that meet the conditions, training rows are compared with as well."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is compared; all encoded together, the last three of one size."""

    train: Frame
    """Training rows, without those that stand for the ceiling."""
    test: Frame
    synthetic: Frame
    ceiling: Frame
    floor: Frame

    @classmethod
    def of(cls, train: Frame, test: Frame, synthetic: Frame, *, most_rows: int, seed: int) -> "_Sides":
        train = train.shuffled(seed)
        rows = min(synthetic.rows, train.rows // 2, most_rows)
        ceiling, rest = train.take(np.arange(rows)), train.take(np.arange(rows, train.rows))
        return cls(
            rest.at_most(most_rows, seed),
            test.at_most(most_rows, seed),
            synthetic.at_most(rows, seed),
            ceiling,
            train.at_most(rows, seed + 1).apart(seed),
        )

    @property
    def three(self) -> tuple[Frame, Frame, Frame]:
        return self.synthetic, self.ceiling, self.floor


def measure(
    real_train: pa.Table,
    real_test: pa.Table,
    synthetic: pa.Table,
    *,
    label: str | None = None,
    seed: int = 0,
    conditions: Conditions | None = None,
    most_rows: int = MOST_ROWS,
) -> Fidelity:
    """Compare synthetic rows, made from `real_train` and asked to meet `conditions`, with held-out rows.

    Deterministic in `seed`; the order of rows does not matter. About 7 CPU seconds for 20,000 rows of 15 columns. Where
    one column has the role of a key and one that of the time, whole histories are measured as well, of training and
    held-out rows together; not under conditions, which leave no history whole. Too few rows give no scores and a note.
    Raises UnusableDataError where a table is empty, lacks a column, or no column can be measured.
    """
    typed, asked = with_known_kinds(real_train, label=label), conditions or Conditions()
    skipped = left_out(typed)
    rows = {"real_train": real_train.num_rows, "real_test": real_test.num_rows, "synthetic": synthetic.num_rows}
    notes: list[str] = []
    train, test = _matching(typed, real_test, asked, notes, seed=seed)
    inapplicable = _inapplicable(train, label, skipped)
    whole, synthetic = synthetic, _bounded(synthetic, seed)
    tables = [table.select(train.column_names) for table in (train, test, synthetic)]
    label = None if inapplicable.keys() >= _OF_LABEL else label
    found = _compared(tables, label=label, most_rows=most_rows, seed=seed, notes=notes)
    return replace(
        found,
        scores={**found.scores, **_kept(typed, synthetic, asked)},
        rows={**rows, **found.rows},
        left_out=skipped,
        inapplicable=inapplicable,
        sequences=None if asked.where or asked.balance else _of_histories(typed, real_test, whole, notes, seed=seed),
        notes=tuple(notes),
    )


def _of_histories(
    train: pa.Table, test: pa.Table, synthetic: pa.Table, notes: list[str], *, seed: int
) -> dict[str, Any] | None:
    """Sequence measures of a keyed stream; None of other tables."""
    keys, times = (names_with_role(train.schema, role) for role in (Role.KEY, Role.TIME))
    if len(keys) != 1 or len(times) != 1:
        return None
    real = pa.concat_tables([train, test.select(train.column_names).cast(train.schema)])
    if pc.count_distinct(real[keys[0]]).as_py() < LEAST_KEYS:
        notes.append(f"fewer than {LEAST_KEYS} different {keys[0]}: histories are not compared")
        return None
    from synth.fidelity.sequences import sequence_measures  # late: it brings generators, and torch with them

    return sequence_measures(real, synthetic, key=keys[0], time=times[0], seed=seed).document()


_OF_LABEL = frozenset({"utility", "average_precision", "class_shape"})


def _inapplicable(train: pa.Table, label: str | None, skipped: Mapping[str, str]) -> dict[str, str]:
    """Scores that mean nothing for these real rows."""
    measured = [name for name in train.column_names if name not in skipped]
    found = {} if len(measured) > 1 else dict.fromkeys(("trend", *_OF_LABEL), "there is one column only")
    if label is None:
        return found | dict.fromkeys(_OF_LABEL, "no label is named")
    if label in skipped:
        return found | dict.fromkeys(_OF_LABEL, f"the label {label} is {skipped[label]}")
    if train.num_rows and pc.count_distinct(train[label]).as_py() < 2:
        return found | dict.fromkeys(_OF_LABEL, f"the real rows have one class of {label} only")
    return found


def _kept(real: pa.Table, synthetic: pa.Table, conditions: Conditions) -> dict[str, Score]:
    """How many of the synthetic rows meet the conditions, beside what is asked and what real rows do by themselves."""
    if not conditions.where:
        return {}
    asked = replace(conditions, balance=None)
    floor, value = (matching(table, asked).num_rows / max(1, table.num_rows) for table in (real, synthetic))
    return {"conditions": Score(value=value, ceiling=1.0, floor=floor)}


def _compared(tables: list[pa.Table], *, label: str | None, most_rows: int, seed: int, notes: list[str]) -> Fidelity:
    """Train, held-out and synthetic rows compared, or no scores where there are too few."""
    least = min(tables[0].num_rows // 2, *(table.num_rows for table in tables[1:]))
    if least < LEAST_ROWS:
        notes.append(f"{least} rows to compare with: nothing can be said with fewer than {LEAST_ROWS}")
        return Fidelity(scores={}, columns=(), pairs=(), classes=(), rows={"compared": 0}, left_out={})
    return _measured(_Sides.of(*frames(*tables), most_rows=most_rows, seed=seed), label=label, seed=seed, notes=notes)


def _bounded(table: pa.Table, seed: int) -> pa.Table:
    """A seeded choice of rows where there are very many; only then does their order matter."""
    if table.num_rows <= MOST_READ_ROWS:
        return table
    return table.take(np.sort(np.random.default_rng(seed).choice(table.num_rows, MOST_READ_ROWS, replace=False)))


def _matching(
    train: pa.Table, test: pa.Table, conditions: Conditions, notes: list[str], *, seed: int
) -> tuple[pa.Table, pa.Table]:
    """The real rows that meet the conditions; training rows among the held-out ones where those are too few."""
    if conditions.balance is not None and not can_be_balanced(train, conditions.balance):
        notes.append(f"{conditions.balance} has no levels: real rows are compared with as they are")
        conditions = replace(conditions, balance=None)
    if conditions.given is not None:
        notes.append("values were given row by row: scores compare with all real rows, whatever their values")
    if not conditions.where and conditions.balance is None:
        return train, test
    kept_train, kept_test = (matching(table, conditions, seed=seed) for table in (train, test))
    asked = " and ".join(str(condition) for condition in conditions.where) or f"{conditions.balance} balanced"
    notes.append(
        f"compared with the real rows that match {asked}: {kept_train.num_rows} + {kept_test.num_rows} held out"
    )
    if kept_test.num_rows >= FEW_TEST_ROWS or kept_train.num_rows <= kept_test.num_rows:
        return kept_train, kept_test
    notes.append("few held-out rows match: half of all that match stand for them, training rows too")
    names = train.column_names
    both = pa.concat_tables([kept_train.select(names), kept_test.select(names).cast(kept_train.schema)])
    order = np.random.default_rng(seed).permutation(both.num_rows)
    return both.take(order[: len(order) // 2]), both.take(order[len(order) // 2 :])


def _measured(sides: _Sides, *, label: str | None, seed: int, notes: list[str]) -> Fidelity:
    scores = _of_tables(sides, seed=seed) | ({} if label is None else _of_label(sides, label, seed=seed, notes=notes))
    trends, trends_real = (trends_of(sides.test, side, seed=seed) for side in sides.three[:2])
    if trends.pairs_there_are > len(trends.pairs):
        notes.append(f"{len(trends.pairs)} of {trends.pairs_there_are} pairs of columns measured, a seeded choice")
    shapes, shapes_real = (shapes_of(sides.test, side) for side in sides.three[:2])
    classes, classes_real = (
        {} if label is None else class_shapes_of(sides.test, side, label=label) for side in sides.three[:2]
    )
    return Fidelity(
        scores={name: score for name, score in scores.items() if not np.isnan(score.value)},
        columns=tuple(Item(names=(n,), value=v, ceiling=shapes_real[n]) for n, v in shapes.items()),
        pairs=tuple(Item(names=p, value=v, ceiling=trends_real.by_pair[p]) for p, v in trends.by_pair.items()),
        classes=tuple(Item(names=(n,), value=v, ceiling=classes_real.get(n, NOT_KNOWN)) for n, v in classes.items()),
        rows={"compared": sides.synthetic.rows},
        left_out={},
    )


def _of_tables(sides: _Sides, *, seed: int) -> dict[str, Score]:
    """What needs no label."""
    train, test, three = sides.train, sides.test, sides.three
    return {
        "shape": _beside(*(mean_shape(test, side, seed=seed) for side in three)),
        "trend": _beside(*(mean_trend(test, side, seed=seed) for side in three)),
        "c2st": _beside(*(detection(test, side, seed=seed) for side in three)),
        "c2st_strong": _beside(*(strong_detection(train, test, side, seed=seed) for side in three)),
        "rare_levels": _beside(*(Score(value=rare_coverage_of(train, side).overlap) for side in three)),
    }


def _of_label(sides: _Sides, label: str, *, seed: int, notes: list[str]) -> dict[str, Score]:
    """Utility, average precision and shapes within classes."""
    found = [utility_scores(side, sides.test, label=label, seed=seed) for side in sides.three]
    if np.isnan(found[1].auroc):
        notes.append(f"the held-out rows have one class of {label} only: utility is not measured")
    return {
        "utility": _beside(*(_area(utility) for utility in found)),
        "average_precision": _beside(*(Score(value=utility.average_precision) for utility in found)),
        "class_shape": _beside(*(Score(value=mean_class_shape(sides.test, s, label=label)) for s in sides.three)),
    }


def _area(utility: Utility) -> Score:
    return around(utility.auroc, utility.auroc_error)


def _beside(made: Score, ceiling: Score, floor: Score) -> Score:
    return replace(made, ceiling=ceiling.value, floor=floor.value)
