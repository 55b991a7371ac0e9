"""Each kind is what its name says."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.injection import AnomalyKind, Family, Injected, Plan, Purpose, families_for, inject, possible_families
from detectors.injection.plan import seed_for
from detectors.injection.view import robust_spread
from tests.detectors.injection.tables import payments

TABLE = payments()


def run(kind: AnomalyKind, variant: str = "", *, columns: tuple[str, ...] | None = None, **more: object) -> Injected:
    family = Family(kind=kind, variant=variant, **{"share": 0.02, **more})  # type: ignore[arg-type]
    return inject(TABLE, Plan(families=(family,), columns=columns), seed=3)


def numbers(table: pa.Table, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(table[name].to_pylist(), dtype=np.float64)


@pytest.mark.parametrize(("name", "strength"), [("level", 4.0), ("fee", 6.0), ("items", 4.0)])
def test_points_lie_as_far_out_as_asked(name: str, strength: float) -> None:
    done = run(AnomalyKind.POINT, columns=(name,), severity=(strength, strength))
    old, new = numbers(TABLE, name), numbers(done.table, name)
    rows = done.truth.labels_N
    away = np.abs(new[rows] - np.median(old)) / robust_spread(old)
    assert (away >= strength - 1e-9).all()
    assert done.truth.severity_N[rows] == pytest.approx(away)
    assert rows.sum() == 60


def test_columns_without_negatives_get_none() -> None:
    done = run(AnomalyKind.POINT, columns=("items",), share=0.3)
    assert numbers(done.table, "items").min() >= 0.0


def test_points_may_touch_several_columns() -> None:
    done = run(AnomalyKind.POINT, columns=("fee", "level", "items"))
    several = inject(
        TABLE, Plan(families=(Family(kind=AnomalyKind.POINT, columns=2),), columns=("fee", "level", "items")), seed=0
    )
    assert set(done.truth.affected_NC.sum(axis=1).tolist()) == {0, 1}
    assert set(several.truth.affected_NC.sum(axis=1).tolist()) == {0, 2}


def test_levels_are_new_or_rare() -> None:
    new = run(AnomalyKind.POINT, "unseen_level", columns=("shop", "code"))
    rows = np.flatnonzero(new.truth.labels_N)
    for name in ("shop", "code"):
        known = set(TABLE[name].to_pylist())
        changed = rows[new.truth.affected_NC[rows, TABLE.column_names.index(name)]]
        assert len(changed)
        assert not known & set(new.table[name].take(pa.array(changed)).to_pylist())
    rare = run(AnomalyKind.POINT, "rare_level", share=0.01, columns=("mood", "shop"))
    rows = np.flatnonzero(rare.truth.labels_N)
    assert set(rare.table["mood"].take(pa.array(rows)).to_pylist()) == {"odd"}
    assert (rare.truth.severity_N[rows] >= 4.0).all()


def test_context_breaks_and_columns_keep_their_values() -> None:
    done = run(AnomalyKind.CONTEXTUAL, columns=("amount", "shop", "fee", "level"))
    assert done.truth.labels_N.sum() > 40
    for name in TABLE.column_names:
        assert sorted(map(str, done.table[name].to_pylist())) == sorted(map(str, TABLE[name].to_pylist()))
    # fee is a tenth of the amount, all but exactly: what was changed no longer is
    at = TABLE.column_names.index("fee")
    rows = np.flatnonzero(done.truth.affected_NC[:, at])
    apart = np.abs(numbers(done.table, "fee") - 0.1 * numbers(done.table, "amount"))
    assert np.nanmedian(apart[rows]) > 5 * np.nanmedian(apart)
    # level belongs to the customer, which is no feature: the other columns say nothing of it
    assert done.truth.affected_NC[:, TABLE.column_names.index("level")].sum() <= 6


def test_the_wrong_customer_has_the_value() -> None:
    done = run(AnomalyKind.CONTEXTUAL, "key", columns=("level", "items"))
    at = TABLE.column_names.index("level")
    rows = np.flatnonzero(done.truth.affected_NC[:, at])
    own = numbers(done.table, "customer") * 10.0
    assert len(rows) > 40
    assert (np.abs(numbers(done.table, "level") - own)[rows] > 5.0).mean() > 0.95


def test_bursts_come_faster_than_the_key_does() -> None:
    done = run(AnomalyKind.COLLECTIVE, "burst")
    assert done.table.num_rows == TABLE.num_rows + 60
    assert len(set(done.table["event"].to_pylist())) == done.table.num_rows
    times = done.table["time"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    for number, event in enumerate(done.truth.events):
        rows = np.flatnonzero(done.truth.event_N == number)
        assert len(set(np.array(done.table["customer"].to_pylist())[rows].tolist())) == 1
        assert np.median(np.diff(times[rows])) < 20 * 60e6 / 4
        assert event.columns == ("time", "customer")


def test_replays_and_duplicates_are_old_rows_again() -> None:
    features = ["customer", "amount", "fee", "items"]
    for way in ("replay", "duplicate"):
        done = run(AnomalyKind.COLLECTIVE, way)
        again = done.table.select(features).filter(pa.array(done.added_N))
        assert again.equals(TABLE.select(features).take(pa.array(done.source_N[done.added_N])))
        same_time = done.table["time"].filter(pa.array(done.added_N)) == TABLE["time"].take(
            pa.array(done.source_N[done.added_N])
        )
        assert same_time == (way == "duplicate")


@pytest.mark.parametrize("kind", ["drift", "stuck", "noisy", "spike", "level_shift"])
def test_faults_follow_one_key(kind: str) -> None:
    done = run(AnomalyKind(kind), columns=("level",))
    old, new = numbers(TABLE, "level"), numbers(done.table, "level")
    keys = numbers(TABLE, "customer")
    assert done.truth.events
    for number in range(len(done.truth.events)):
        rows = np.flatnonzero(done.truth.event_N == number)
        assert len(set(keys[rows].tolist())) == 1
        moved = (new - old)[rows]
        within = 1.0  # the spread of one key; over all keys it is 58
        if kind == "drift":
            assert (np.diff(np.abs(moved)) > 0).all()
            assert np.abs(moved[-1]) == pytest.approx(4 * within, rel=0.4)
        elif kind == "stuck":
            assert len(set(new[rows].tolist())) == 1
        elif kind == "level_shift":
            assert moved == pytest.approx(np.full(len(rows), moved[0]))
            assert abs(moved[0]) == pytest.approx(4 * within, rel=0.4)
        else:
            assert np.abs(moved).max() < 20 * within


def test_what_trains_never_judges() -> None:
    families = possible_families(TABLE.schema)
    parts = {purpose: {f.name for f in families_for(purpose, families)} for purpose in Purpose}
    assert parts[Purpose.CHOICE] == parts[Purpose.GATE]
    for one, other in (
        (Purpose.TRAINING, Purpose.GATE),
        (Purpose.TRAINING, Purpose.CANARY),
        (Purpose.GATE, Purpose.CANARY),
    ):
        assert parts[one]
        assert not parts[one] & parts[other]
    assert set.union(*parts.values()) == {f.name for f in families}
    assert len({seed_for(purpose, 0) for purpose in Purpose}) == len(Purpose)


@pytest.mark.parametrize(
    "wrong", [{"variant": "sideways"}, {"share": 0.0}, {"share": 0.9}, {"severity": (5.0, 1.0)}, {"columns": 0}]
)
def test_impossible_families_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Family(kind=AnomalyKind.POINT, **wrong)  # type: ignore[arg-type]
