"""The demo's first half: its model says which rows it learned from."""

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from pipeline.commands.context import Context
from pipeline.config import Settings, StreamSpec
from pipeline.demo import prepare as module
from pipeline.demo.plan import DemoPlan
from pipeline.lineage.windows import archive_window
from tests.pipeline.lake.test_reader import write

SPEC = StreamSpec.model_validate(
    {
        "stream": "s",
        "topic": "s",
        "columns": [{"name": name, "kind": "numeric", "roles": ["feature"]} for name in ("a", "b")],
        "budget": {"alerts_per_day": 5},
        "detector": {"name": "pca"},
    }
)


def test_the_model_came_from_the_window_that_was_archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        lake=str(tmp_path / "lake"), models=str(tmp_path / "models"), catalogue=f"sqlite:///{tmp_path}/c.db"
    )
    context = Context(settings=settings, specs={"s": SPEC})
    rng, hour_ms = np.random.default_rng(0), 3_600_000

    def archive(*arguments: object) -> float:
        fields = [make_field(name, Kind.NUMERIC, {Role.FEATURE}) for name in ("a", "b")]
        columns = {name: rng.normal(size=4_000) for name in ("a", "b")}
        write(context.lake(), [number * hour_ms // 100 for number in range(4_000)], columns=columns, fields=fields)
        return 0.0

    monkeypatch.setattr(module, "archive", archive)
    monkeypatch.setattr(module, "create_topic", lambda plan, context: "id")
    empty = pa.table({})
    plan = DemoPlan(title="", spec=SPEC, history=empty, live=empty, kind_column=None, source={})
    prepared = module.prepare(plan, context, threading.Event(), lambda fraction, text: None)
    catalogue = context.catalogue()
    [came] = catalogue.parents("model", prepared.trained.bundle.model_id)
    window = archive_window(context.lake(), "s")
    assert (came.parent_kind, came.parent_id) == ("window", window.id)
    assert came.facts["rows"] == 4_000
    catalogue.close()
