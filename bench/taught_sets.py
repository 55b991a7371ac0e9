"""Public streams with injected anomalies: some families to be taught by, the others only to be asked for.

kdd99 has neither clock nor key: the detector injects into its own training rows. fraud has keyed context: anomalies go
into the newest training events, context is derived from all events before and with them, and the strange rows are
handed over as labels. What is asked for is put into scored events likewise, under other seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.detection_sets import FRAUD_KEYS, DetectionSet, default_settings, enriched, fraud, kdd99
from bench.table_sets import drawn
from detectors.columns import Kind, feature_fields, kind_of
from detectors.injection import (
    AnomalyKind,
    Family,
    Plan,
    Purpose,
    families_for,
    inject,
    possible_families,
    seed_for,
)
from detectors.taught.examples import training_families
from detectors.taught.labels import Labels

BoolArray = npt.NDArray[np.bool_]
TRAIN_ROWS, SCORED_ROWS, ASKED_ROWS = 20_000, 100_000, 20_000
TAUGHT_EVENTS, ASKED_EVENTS, ASKED_SCORED = 120_000, 120_000, 60_000
"""Newest training events and first scored events of fraud that anomalies are put into; rows of the latter scored."""
TAUGHT_SHARE, ASKED_SHARE = 0.005, 0.02
CLOCK = "TX_DATETIME"


@dataclass(frozen=True, slots=True)
class Asked:
    """Scored rows with injected anomalies; those really anomalous are left out of the figures."""

    table: pa.Table
    family_N: npt.NDArray[np.int64]
    """−1 for rows left alone, −2 for real anomalies."""
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is learned from, with labels or without, and what is scored."""

    train: pa.Table
    labels: Labels | None
    test: pa.Table
    test_labels: BoolArray
    taught: Asked
    others: Asked


TrialMaker = Callable[[int], Trial]


def trial_makers(folder: Path, *, quick: bool) -> dict[str, TrialMaker]:
    """A maker of trials by seed for each set."""
    made: dict[str, TrialMaker] = {}
    for service in ("http", "smtp"):
        one = kdd99(service, folder=folder)
        made[one.name] = lambda seed, one=one: _rows_trial(one, seed)  # type: ignore[misc]
    if not quick:
        made["fraud"] = _Events(folder).trial
    return made


def other_families(schema: pa.Schema, *, share: float) -> tuple[Family, ...]:
    """Every family that a schema can show and training may not use, and one into a third of the numbers."""
    numbers = sum(kind_of(field) is Kind.NUMERIC for field in feature_fields(schema))
    several = Family(kind=AnomalyKind.POINT, share=share, columns=max(2, round(numbers / 3)), severity=(2.0, 2.0))
    possible = (*possible_families(schema, share=share), *((several,) if numbers > 2 else ()))
    return families_for(Purpose.GATE, possible) + families_for(Purpose.CANARY, possible)


def _rows_trial(one: DetectionSet, seed: int) -> Trial:
    rows = drawn(one.test, ASKED_ROWS, seed=seed)
    table, labels = one.test.take(pa.array(rows)), one.test_labels[rows]

    def asked(families: Sequence[Family], purpose: Purpose) -> Asked:
        injected = inject(table, Plan(families=tuple(families)), seed=seed_for(purpose, 1_000 + seed))
        family_N = injected.truth.family_N.astype(np.int64)
        return _asked(injected.table, family_N, labels[injected.source_N], families)

    taught = asked(training_families(table.schema), Purpose.TRAINING)
    others = asked(other_families(table.schema, share=ASKED_SHARE), Purpose.GATE)
    return Trial(one.train, None, one.test, one.test_labels, taught, others)


def _asked(table: pa.Table, family_N: npt.NDArray[np.int64], real_N: BoolArray, families: Sequence[Family]) -> Asked:
    return Asked(table, np.where(real_N, -2, family_N), tuple(family.label for family in families))


class _Events:
    """fraud, its context derived anew from events with anomalies among them."""

    def __init__(self, folder: Path) -> None:
        self._bare, full = fraud(context=False, folder=folder), fraud(folder=folder)
        rows = full.train.num_rows, full.test.num_rows
        train, test = (_even(n, most) for n, most in zip(rows, (TRAIN_ROWS, SCORED_ROWS), strict=True))
        self._train, self._test = full.train.take(pa.array(train)), full.test.take(pa.array(test))
        self._test_labels = full.test_labels[test]
        self._settings = default_settings(self._bare.train.schema, FRAUD_KEYS)

    def trial(self, seed: int) -> Trial:
        """Context is derived twice: with what is taught, and with each of what is asked for."""
        schema = self._bare.train.schema
        training = families_for(Purpose.TRAINING, possible_families(schema, share=TAUGHT_SHARE))
        cut = self._bare.train.num_rows - TAUGHT_EVENTS
        lesson = self._injected(self._bare.train, cut, TAUGHT_EVENTS, training, seed_for(Purpose.TRAINING, seed))
        table, family_N, _ = lesson
        strange = family_N >= 0
        shown = pa.concat_tables([self._train, table.filter(pa.array(strange)).select(self._train.column_names)])
        kinds_N = np.concatenate([np.full(self._train.num_rows, -1), family_N[strange]])
        raised = [replace(family, share=ASKED_SHARE / 2) for family in training]
        return Trial(
            shown,
            Labels(kinds_N >= 0, kinds_N),
            self._test,
            self._test_labels,
            self._asked(raised, seed_for(Purpose.TRAINING, 1_000 + seed), seed),
            self._asked(other_families(schema, share=ASKED_SHARE / 2), seed_for(Purpose.GATE, 1_000 + seed), seed),
        )

    def _asked(self, families: Sequence[Family], injection_seed: int, seed: int) -> Asked:
        whole = pa.concat_tables([self._bare.train, self._bare.test])
        cut = self._bare.train.num_rows
        table, family_N, source_N = self._injected(whole, cut, ASKED_EVENTS, families, injection_seed)
        rows = drawn(table, ASKED_SCORED, seed=seed)
        real_N = self._bare.test_labels[source_N[rows]]
        return _asked(table.take(pa.array(rows)), family_N[rows], real_N, families)

    def _injected(
        self, events: pa.Table, cut: int, count: int, families: Sequence[Family], seed: int
    ) -> tuple[pa.Table, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """`count` events from `cut` on with anomalies, their context from all events before."""
        injected = inject(events.slice(cut, count), Plan(families=tuple(families)), seed=seed)
        table = enriched(pa.concat_tables([events.slice(0, cut), injected.table]), CLOCK, self._settings).slice(cut)
        return table, injected.truth.family_N.astype(np.int64), injected.source_N


def _even(rows: int, most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, most).astype(np.int64))
