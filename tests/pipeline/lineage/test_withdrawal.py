"""A withdrawal marks everything that came of a window, hides its datasets, and is finished by doing it again."""

import dataclasses
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue import Catalogue
from pipeline.errors import ConfigError
from pipeline.jobs import synth_generate
from pipeline.lake.synthetic_layout import DatasetPlaces
from pipeline.lineage.edges import edge, edge_from_window, edges_of_training
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.recorded import fill, found_node
from pipeline.lineage.windows import WindowRef, file_window
from pipeline.lineage.withdrawal import carry_out, of_node, of_span
from pipeline.lineage.withdrawn import refuse_withdrawn, why_withdrawn, window_withdrawn, withdrawn_times
from pipeline.synthesis.datasets import publish
from tests.pipeline.synthesis.making import GENERATOR_ID, Drawing, Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.catalogue.close()


def window(start_ms: int, end_ms: int, *, without: tuple[tuple[int, int], ...] = ()) -> WindowRef:
    """A window of the stream's archive."""
    return WindowRef(
        stream="payments",
        kind="archive",
        fingerprint=f"{start_ms:032x}{end_ms:032x}"[::-1],
        start_ms=start_ms,
        end_ms=end_ms,
        without=without,
        rows=10,
    )


def learned(shop: Workshop, kind: NodeKind, id: str, *of: WindowRef, stream: str = "payments") -> Node:
    """Something trained on windows."""
    node = Node(kind, id)
    shop.catalogue.add_edges(edges_of_training(of, node, stream=stream, made_ms=1))
    return node


def withdraw(shop: Workshop, start_ms: int, end_ms: int, reason: str = "bad") -> tuple[str, ...]:
    planned = of_span(shop.catalogue, shop.lake, "payments", start_ms, end_ms)
    return carry_out(planned, catalogue=shop.catalogue, lake=shop.lake, reason=reason, now_ms=7)


def marked(shop: Workshop) -> set[str]:
    return {entry.id for entry in shop.catalogue.withdrawals()}


@settings(max_examples=12, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), depth=st.integers(1, 12))
def test_everything_below_a_window_is_marked_and_nothing_else_however_deep(
    tmp_path_factory: pytest.TempPathFactory, seed: int, depth: int
) -> None:
    rng = random.Random(seed)
    shop = Workshop(tmp_path_factory.mktemp("shop"))
    touched = learned(shop, NodeKind.MODEL, "touched", window(0, 100))
    other = learned(shop, NodeKind.MODEL, "other", window(100, 200))
    below, beside = [touched], [other]
    edges = []
    for layer in range(depth):
        for group, name in ((below, "below"), (beside, "beside")):
            child = Node(NodeKind.MODEL, f"{name}{layer}")
            edges += [edge(parent, child, stream="payments", made_ms=2) for parent in rng.sample(group, 1)]
            group.append(child)
        mixed = Node(NodeKind.REPORT, f"mixed{layer}")
        edges += [edge(rng.choice(group), mixed, stream="payments", made_ms=2) for group in (below, beside)]
        below.append(mixed)
        below.remove(mixed)
    shop.catalogue.add_edges(edges)
    withdraw(shop, 40, 50)
    shop.catalogue.close()
    expected = {node.id for node in below} | {f"mixed{layer}" for layer in range(depth)}
    reopened = Catalogue.open(f"sqlite:///{shop.folder}/eddyline.db")
    assert {entry.id for entry in reopened.withdrawals()} == expected | {"payments:40-50"}
    assert withdrawn_times(reopened, "payments") == [(40, 50)]
    reopened.close()


def test_only_windows_that_the_withdrawn_times_lie_in_are_touched(shop: Workshop) -> None:
    whole = learned(shop, NodeKind.MODEL, "whole", window(0, 100))
    learned(shop, NodeKind.MODEL, "before", window(0, 40))
    learned(shop, NodeKind.MODEL, "after", window(50, 100))
    learned(shop, NodeKind.MODEL, "left-out", window(0, 101, without=((40, 50),)))
    learned(shop, NodeKind.MODEL, "left-out-in-part", window(0, 102, without=((40, 49),)))
    withdraw(shop, 40, 50)
    assert marked(shop) == {"payments:40-50", "whole", "left-out-in-part"}
    assert why_withdrawn(shop.catalogue, whole) is not None
    withdraw(shop, 45, 60, "again")
    assert withdrawn_times(shop.catalogue, "payments") == [(40, 60)]
    assert "after" in marked(shop)


def test_what_is_made_meanwhile_is_withdrawn_too_before_anybody_marks_it(shop: Workshop) -> None:
    withdraw(shop, 40, 50)
    late = learned(shop, NodeKind.MODEL, "late", window(0, 100))
    again = Node(NodeKind.MODEL, "recalibrated")
    shop.catalogue.add_edges([edge(late, again, stream="payments", made_ms=3)])
    assert "late" not in marked(shop)
    with pytest.raises(ConfigError, match="bad"):
        refuse_withdrawn(shop.catalogue, again)
    assert window_withdrawn(shop.catalogue, window(0, 100)) is not None
    assert window_withdrawn(shop.catalogue, window(0, 100, without=((40, 50),))) is None
    withdraw(shop, 40, 50)
    assert {"late", "recalibrated"} <= marked(shop)


def test_a_generators_datasets_disappear_and_it_makes_no_more(shop: Workshop) -> None:
    learned(shop, NodeKind.GENERATOR, GENERATOR_ID, window(0, 100))
    made = shop.make(shop.request(seed=1))
    assert withdraw(shop, 0, 10) == (made.places.dataset_id,)
    assert shop.visible() == []
    assert shop.catalogue.dataset(made.places.dataset_id).status == "withdrawn"
    with pytest.raises(ConfigError, match="was withdrawn"):
        shop.make(shop.request(seed=2))
    with pytest.raises(ConfigError, match="was withdrawn"):
        shop.make(shop.request(seed=1))


@pytest.mark.parametrize("moment", ["while rows are made", "right before it is visible", "right after"])
def test_a_dataset_whose_window_is_withdrawn_while_it_is_made_is_not_left_in_sight(
    shop: Workshop, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned(shop, NodeKind.GENERATOR, GENERATOR_ID, window(0, 100))

    def now() -> None:
        withdraw(shop, 0, 10)

    more: dict[str, Any] = {}
    if moment == "while rows are made":
        more["generator"] = Drawing(lambda samples: now() if samples == 3 else None)
    elif moment == "right before it is visible":
        more["before_publishing"] = now
    else:

        def visible(places: DatasetPlaces, before: object) -> None:
            publish(places)
            now()

        monkeypatch.setattr(synth_generate, "publish", visible)
    with pytest.raises(ConfigError, match="was withdrawn"):
        shop.make(shop.request(seed=1), **more)
    assert shop.visible() == []
    assert not of_span(shop.catalogue, shop.lake, "payments", 0, 10).datasets


DIES = """
import os, signal, sys
from pathlib import Path
from pipeline.lineage import withdrawal
from pipeline.synthesis import datasets
from tests.pipeline.lineage.test_withdrawal import withdraw
from tests.pipeline.synthesis.making import Workshop

def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)

shop, where = Workshop(Path(sys.argv[1])), sys.argv[2]
if where == "after the marks":
    withdrawal.withdraw_files = die
elif where == "after the note":
    datasets._move = die
else:
    shop.catalogue.set_dataset_status = die
withdraw(shop, 0, 10)
"""


@pytest.mark.parametrize("where", ["after the marks", "after the note", "after the rename"])
def test_killed_at_any_step_it_is_finished_by_doing_it_again(tmp_path: Path, where: str) -> None:
    shop = Workshop(tmp_path)
    learned(shop, NodeKind.GENERATOR, GENERATOR_ID, window(0, 100))
    names = sorted(shop.make(shop.request(seed=seed)).places.dataset_id for seed in (1, 2))
    killed = subprocess.run([sys.executable, "-c", DIES, str(tmp_path), where], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert GENERATOR_ID in marked(shop), "nothing is made of it from then on"
    with pytest.raises(ConfigError, match="was withdrawn"):
        shop.make(shop.request(seed=3))
    withdraw(shop, 0, 10, "said again")
    assert shop.visible() == []
    assert (
        sorted(path.name for path in (tmp_path / "lake" / "synthetic" / "payments" / "_withdrawn").iterdir()) == names
    )
    assert {entry.status for entry in shop.catalogue.datasets()} == {"withdrawn"}
    assert {entry.reason for entry in shop.catalogue.withdrawals()} == {"bad"}, "the first reason stays"
    assert of_span(shop.catalogue, shop.lake, "payments", 0, 10).nothing_to_do
    shop.catalogue.close()


def test_what_was_made_before_edges_were_kept_is_found_by_what_is_known_of_it(shop: Workshop) -> None:
    made = shop.make(shop.request(seed=1))
    generator = shop.catalogue.generator(GENERATOR_ID)
    source = {**generator.source, "window": {"start_ms": 0, "end_ms": 100}}
    shop.catalogue.add_generator(dataclasses.replace(generator, source=source))
    assert fill(shop.catalogue, "payments") == 1
    assert fill(shop.catalogue, "payments") == 0
    assert withdraw(shop, 0, 10) == (made.places.dataset_id,)
    assert GENERATOR_ID in marked(shop)


def test_files_and_single_things_can_be_withdrawn(shop: Workshop) -> None:
    rows = file_window("payments", file="payments.csv", sha256="cd" * 32, rows=5)
    shop.catalogue.add_edges(
        [edge_from_window(rows, Node(NodeKind.GENERATOR, GENERATOR_ID), stream="payments", made_ms=1)]
    )
    made = shop.make(shop.request(seed=1))
    root = found_node(shop.catalogue, "payments:file:cdcd")
    planned = of_node(shop.catalogue, shop.lake, root, "payments")
    carry_out(planned, catalogue=shop.catalogue, lake=shop.lake, reason="not ours", now_ms=1)
    assert marked(shop) >= {root.id, GENERATOR_ID, made.places.dataset_id}
    assert shop.visible() == []
    assert window_withdrawn(shop.catalogue, rows) is not None
    assert withdrawn_times(shop.catalogue, "payments") == [], "a file is no time of the archive"


def test_ids_may_be_given_by_their_beginning_unless_several_fit(shop: Workshop) -> None:
    learned(shop, NodeKind.MODEL, "aa11", window(0, 1))
    learned(shop, NodeKind.MODEL, "aa12", window(0, 1))
    assert found_node(shop.catalogue, "aa11") == Node(NodeKind.MODEL, "aa11")
    assert found_node(shop.catalogue, GENERATOR_ID[:5]) == Node(NodeKind.GENERATOR, GENERATOR_ID)
    with pytest.raises(ConfigError, match="could be model aa11, model aa12"):
        found_node(shop.catalogue, "aa")
    with pytest.raises(ConfigError, match="nothing has an id"):
        found_node(shop.catalogue, "bb")
