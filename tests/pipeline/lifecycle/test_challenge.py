"""A challenge from window to decision: a shift is learned and promoted, worse challengers are refused, all is kept."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors.auto import Choice
from detectors.base import Detector, FitReport
from detectors.evaluation import average_precision
from pipeline.catalogue import Catalogue
from pipeline.catalogue.service_entries import WithdrawalEntry
from pipeline.errors import ConfigError
from pipeline.jobs.choice import DetectorMaker, Report
from pipeline.jobs.score_summary import anomalous
from pipeline.jobs.train import score_table
from pipeline.lifecycle.challenge import Challenged, challenge
from pipeline.lifecycle.challenger import Asked, share_out
from pipeline.lifecycle.records import PROMOTED, REFUSED, decision
from tests.pipeline.lifecycle.making import (
    DAY_MS,
    START_MS,
    ArchivedLake,
    archived,
    readings,
    stream_of_readings,
    working,
)

SPEC = stream_of_readings()
NAME = SPEC.stream


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    yield opened
    opened.close()


def challenged(
    folder: Path, catalogue: Catalogue, lake: ArchivedLake, asked: Asked | None = None, seed: int = 0
) -> Challenged:
    work = working(folder, SPEC, lake, catalogue)
    return challenge(work, asked or Asked(detector="pca", seed=seed))


class ShuffledMaker(DetectorMaker):
    """Makes a detector that learns columns that do not belong together."""

    def make(self, table: pa.Table, report: Report) -> tuple[Detector, Choice | None]:
        detector, choice = super().make(table, report)
        fit = detector.fit

        def fit_shuffled(rows: pa.Table, **more: Any) -> FitReport:
            rng = np.random.default_rng(0)
            columns = [rows[name].take(pa.array(rng.permutation(rows.num_rows))) for name in rows.column_names]
            return fit(pa.table(columns, schema=rows.schema), **more)

        monkeyed: Any = detector
        monkeyed.fit = fit_shuffled
        return detector, choice


def test_after_a_shift_the_challenger_is_promoted_and_finds_what_the_old_champion_misses(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    before = readings(4, off=50.0)
    first = challenged(tmp_path, catalogue, archived(before))
    assert first.decision.kind == PROMOTED
    assert catalogue.champion(NAME) == first.bundle.model_id
    after = readings(5, start_ms=START_MS + 4 * DAY_MS, shifted=True, seed=3, off=50.0)
    lake = archived(pa.concat_tables([before, after.slice(0, 6_000)]))
    second = challenged(tmp_path, catalogue, lake, Asked(detector="pca", start_ms=START_MS + round(3.5 * DAY_MS)))
    assert second.decision.kind == PROMOTED
    assert catalogue.champion(NAME) == second.bundle.model_id
    assert second.bundle.facts["flagged_by_champion"]["drifted"] is True
    later = after.slice(6_000)  # nobody has learned from these, and no injected anomaly is among them
    labels = anomalous(later["odd"])
    old, new = (average_precision(score_table(one.bundle.detector, later), labels) for one in (first, second))
    assert new > old + 0.2


def test_an_equal_challenger_is_refused_and_the_champion_stays(tmp_path: Path, catalogue: Catalogue) -> None:
    lake = archived(readings(4))
    first = challenged(tmp_path, catalogue, lake)
    again = challenged(tmp_path, catalogue, lake, seed=9)
    assert again.decision.kind == REFUSED
    assert catalogue.champion(NAME) == first.bundle.model_id
    assert {model.model_id for model in catalogue.models(NAME)} == {first.bundle.model_id, again.bundle.model_id}


@pytest.mark.parametrize("spoiled", ["shuffled columns", "scarcely any rows"])
def test_a_deliberately_worse_challenger_is_refused_with_and_without_a_champion(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    lake = archived(readings(4))
    small = SPEC.model_copy(update={"detector": SPEC.detector.model_copy(update={"max_rows": 60})})
    is_shuffled = spoiled == "shuffled columns"
    with monkeypatch.context() as patch:
        if is_shuffled:
            patch.setattr("pipeline.lifecycle.challenger.DetectorMaker", ShuffledMaker)
            alone = challenged(tmp_path, catalogue, lake)
            assert alone.decision.kind == REFUSED
            assert "worse than pca" in alone.decision.reason
            assert catalogue.champion(NAME) is None
    good = challenged(tmp_path, catalogue, lake)
    if is_shuffled:
        monkeypatch.setattr("pipeline.lifecycle.challenger.DetectorMaker", ShuffledMaker)
        bad = challenged(tmp_path, catalogue, lake)
    else:
        monkeypatch.setattr("pipeline.jobs.training_data.MINIMUM_ROWS", 60)
        bad = challenge(working(tmp_path, small, lake, catalogue), Asked(detector="pca", seed=4))
    assert bad.decision.kind == REFUSED
    assert "the champion" in bad.decision.reason
    assert catalogue.champion(NAME) == good.bundle.model_id


def test_every_decision_is_kept_with_its_figures_evaluation_and_lineage(tmp_path: Path, catalogue: Catalogue) -> None:
    done = challenged(tmp_path, catalogue, archived(readings(4)))
    [entry] = catalogue.decisions(NAME)
    assert (entry.kind, entry.model_id, entry.before_id, entry.by) == (PROMOTED, done.bundle.model_id, None, "service")
    [evaluation] = catalogue.evaluations(NAME, done.bundle.model_id)
    assert entry.evaluation_id == evaluation.evaluation_id
    figures = evaluation.figures["figures"]
    assert set(figures) == {"challenger", "pca", "forest"}
    for one in figures.values():
        assert 0.0 < one["average_precision"]["low"] <= one["average_precision"]["value"] <= 1.0
        assert one["families"]
    assert figures["challenger"]["alerts"]["allowed"] == pytest.approx(16.0, rel=0.05)
    parents = catalogue.parents("model", done.bundle.model_id)
    assert [(edge.parent_kind, edge.facts["end_ms"]) for edge in parents] == [
        ("window", done.bundle.facts["compared_from_ms"])
    ]
    kinds = {edge.parent_kind for edge in catalogue.parents("evaluation", evaluation.evaluation_id)}
    assert kinds == {"model", "window"}


def test_nothing_of_the_replay_was_fitted_or_calibrated_on(tmp_path: Path, catalogue: Catalogue) -> None:
    done = challenged(tmp_path, catalogue, archived(readings(4)))
    assert done.bundle.facts["end_ms"] < done.comparison.start_ms
    champion = done.bundle
    longer = archived(pa.concat_tables([readings(4), readings(2, start_ms=START_MS + 4 * DAY_MS, seed=8)]))
    parts = share_out(SPEC, longer, Asked(start_ms=START_MS + 4 * DAY_MS), champion)
    assert (parts.champion_saw, parts.compare_ms) == (False, parts.cut_ms)
    seen_all = replace(champion, facts={**champion.facts, "end_ms": parts.end_ms + DAY_MS})
    flattered = share_out(SPEC, longer, Asked(start_ms=START_MS + 4 * DAY_MS), seen_all)
    assert (flattered.champion_saw, flattered.compare_ms) == (True, parts.cut_ms)
    some = replace(champion, facts={**champion.facts, "end_ms": parts.cut_ms + 1_000_000})
    after = share_out(SPEC, longer, Asked(start_ms=START_MS + 4 * DAY_MS), some)
    assert (after.champion_saw, after.compare_ms) == (False, parts.cut_ms + 1_000_001)


def test_a_champion_put_into_service_meanwhile_is_not_overrun(tmp_path: Path, catalogue: Catalogue) -> None:
    lake = archived(readings(4))
    first = challenged(tmp_path, catalogue, lake)
    other = challenged(tmp_path, catalogue, lake, seed=2).bundle
    shifted = archived(
        pa.concat_tables([readings(4), readings(4, start_ms=START_MS + 4 * DAY_MS, shifted=True, seed=3)])
    )

    def promoted_by_hand() -> None:
        entry = decision(
            stream=NAME, kind=PROMOTED, model_id=other.model_id, before_id=first.bundle.model_id, by="someone",
            reason="", decided_ms=1,
        )  # fmt: skip
        assert catalogue.decide(entry, champion=other.model_id)

    work = replace(working(tmp_path, SPEC, shifted, catalogue), before_publishing=promoted_by_hand)
    done = challenge(work, Asked(detector="pca", start_ms=START_MS + 2 * DAY_MS))
    assert done.decision.kind == REFUSED
    assert "meanwhile" in done.decision.reason
    assert catalogue.champion(NAME) == other.model_id


def test_a_run_that_may_not_publish_leaves_nothing_behind(tmp_path: Path, catalogue: Catalogue) -> None:
    def lost() -> None:
        raise ConfigError("another leads")

    work = replace(working(tmp_path, SPEC, archived(readings(4)), catalogue), before_publishing=lost)
    with pytest.raises(ConfigError, match="another leads"):
        challenge(work, Asked(detector="pca"))
    assert catalogue.models(NAME) == []
    assert not (tmp_path / "models").exists() or not any((tmp_path / "models").iterdir())


def test_withdrawn_rows_and_copies_are_not_learned(tmp_path: Path, catalogue: Catalogue) -> None:
    table = readings(4)
    doubled = pa.concat_tables([table.slice(0, 1_000), table])
    order = np.argsort(doubled["time"].to_numpy(), kind="stable")
    lake = archived(doubled.take(pa.array(order)))
    plain = challenged(tmp_path, catalogue, lake)
    assert plain.bundle.facts["left_out"]["duplicates"] == 1_000
    catalogue.add_withdrawals(
        [
            WithdrawalEntry(
                kind="window", id="w", stream=NAME, because_kind="window", because_id="w", reason="a broken sensor",
                start_ms=START_MS, end_ms=START_MS + DAY_MS, withdrawn_ms=1,
            )
        ]
    )  # fmt: skip
    without = challenged(tmp_path, catalogue, lake)
    assert without.bundle.facts["left_out"]["withdrawn"] > 1_000
    assert without.bundle.facts["fit_part_rows"] < plain.bundle.facts["fit_part_rows"] - 1_000


def test_too_little_to_compare_on_says_what_to_do(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match="too few"):
        challenged(tmp_path, catalogue, archived(readings(0.8)))
    with pytest.raises(ConfigError, match="archive"):
        challenged(tmp_path, catalogue, ArchivedLake(None))


def test_the_same_challenge_again_comes_to_the_same_figures(tmp_path: Path, catalogue: Catalogue) -> None:
    lake = archived(readings(3))
    one, two = (challenged(tmp_path / str(number), catalogue, lake, seed=1) for number in range(2))
    assert one.comparison.figures["forest"] == two.comparison.figures["forest"]
