"""From an archive to models, datasets and reports; what came of a window that is withdrawn; training without it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from pipeline.catalogue import Catalogue
from pipeline.catalogue.service_entries import QualityEntry
from pipeline.commands.main import app
from pipeline.lake import Lake
from pipeline.lineage.edges import edges_of_report
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.synthesis.gates import Judged
from pipeline.yaml_files import read_spec
from tests.pipeline.lake.test_reader import write

Run = Callable[..., Result]
SPEC = """
stream: s
topic: s
columns:
  - {name: id, kind: text, roles: [id]}
  - {name: at, kind: time, roles: [time]}
  - {name: amount, kind: numeric, roles: [feature]}
  - {name: country, kind: categorical, roles: [feature]}
budget: {alerts_per_day: 1}
"""
START_MS = 1_767_225_600_000
"""2026-01-01, UTC. A row comes every ten seconds."""
ROWS = 4_000


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "s.yaml").write_text(SPEC)
    archive(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    passes_all(monkeypatch)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def passes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.jobs import synth_generate
    from tests.pipeline.synthesis.making import passing

    defaults = dict(synth_generate.synth_generate.__kwdefaults__ or {})
    judge: Callable[..., Judged] = passing
    monkeypatch.setattr(synth_generate.synth_generate, "__kwdefaults__", defaults | {"judged_by": judge})


def archive(folder: Path) -> None:
    """Four files of one partition, with three events delivered again."""
    spec, _ = read_spec(folder / "streams" / "s.yaml")
    assert spec is not None
    rng = np.random.default_rng(0)
    times = START_MS + 10_000 * np.arange(ROWS)
    ids = [f"e{n}" for n in range(ROWS)]
    ids[50], ids[1_500], ids[3_100] = ids[10], ids[1_490], ids[3_000]
    for first in range(0, ROWS, 1_000):
        at = times[first : first + 1_000]
        columns: dict[str, Any] = {
            "id": ids[first : first + 1_000],
            "at": pa.array(at * 1000).cast(pa.timestamp("us", tz="UTC")),
            "amount": rng.normal(size=1_000),
            "country": rng.choice(["BR", "PT"], 1_000),
        }
        write(Lake(folder / "lake"), at.tolist(), first=first, columns=columns, fields=list(spec.schema()))


def done(result: Result) -> str:
    """What a command printed, where it did what it should."""
    assert result.exit_code == 0, result.output
    return result.output


def made(run: Run, tmp_path: Path) -> tuple[str, str, str, str]:
    """A model, a generator, a dataset and a report on it, by id."""
    done(run("train", "s", "--detector", "pca", "--to", "2026-01-01T08:00"))
    done(run("synth", "train", "s", "--model", "independent", "--budget", "10s", "--from", "2026-01-01T01:00"))
    done(run("synth", "generate", "s", "--rows", "1000"))
    listed = json.loads(done(run("synth", "list", "--json")))
    dataset, generator = listed["datasets"][0]["dataset_id"], listed["generators"][0]["generator_id"]
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'eddyline.db'}")
    report = "fedcba9876543210"
    catalogue.add_quality(
        QualityEntry(
            result_id=report,
            stream="s",
            subject="dataset",
            subject_id=dataset,
            verdict="passed",
            evaluated=3,
            failed=0,
            created_ms=START_MS,
        )
    )
    catalogue.add_edges(edges_of_report(report, [Node(NodeKind.DATASET, dataset)], stream="s", made_ms=START_MS))
    model = catalogue.champion("s")
    catalogue.close()
    assert model is not None
    return model, generator, dataset, report


def status(run: Run, id: str) -> dict[str, str]:
    """Where everything of a lineage stands, by id."""
    document = json.loads(done(run("lineage", id, "--json")))
    return {thing["id"]: thing["status"] for thing in document["things"]}


def test_what_came_of_a_window_is_shown_withdrawn_and_left_out_from_then_on(run: Run, tmp_path: Path) -> None:
    model, generator, dataset, report = made(run, tmp_path)
    tree = done(run("lineage", report[:8], "--up"))
    lines = [line.split()[1:3] if "─" in line else line.split()[:2] for line in tree.splitlines()]
    kinds = [kind for kind, _ in lines]
    assert kinds == ["report", "dataset", "request", "generator", "window"], "from the report back, step by step"
    assert f"dataset {dataset} published" in tree
    assert "window s:" in tree
    assert "champion" in done(run("lineage", model))
    assert status(run, generator) | {dataset: "published", report: "passed"} == status(run, generator)

    period = ("--from", "2026-01-01T06:00", "--to", "2026-01-01T07:00", "--reason", "terminals sent nulls")
    shown = done(run("withdraw", "s", *period, "--dry-run"))
    assert all(part in shown for part in (model, generator, dataset, report, "nothing was done"))
    assert Lake(tmp_path / "lake").synthetic_datasets("s") == [dataset]
    assert run("withdraw", "s", *period).exit_code == 1, "nobody said yes"
    assert Lake(tmp_path / "lake").synthetic_datasets("s") == [dataset]
    finished = done(run("withdraw", "s", *period, "--yes"))
    assert f"champion of s, {model}" in finished
    assert "eddyline models" in finished
    assert "champion, withdrawn" in done(run("models", "list", "s"))
    assert "terminals sent nulls" in done(run("models", "show", model))
    assert Lake(tmp_path / "lake").synthetic_datasets("s") == []
    assert {name: status(run, dataset)[name] for name in (generator, dataset, report)} == dict.fromkeys(
        (generator, dataset, report), "withdrawn"
    )
    assert "terminals sent nulls" in done(run("lineage", model))
    assert "withdrawn already" in done(run("withdraw", "s", *period, "--yes"))

    refused = run("synth", "generate", "s", "--rows", "500")
    assert refused.exit_code == 2
    assert "terminals sent nulls" in refused.output
    done(run("synth", "train", "s", "--model", "independent", "--budget", "10s"))
    source = json.loads(done(run("synth", "list", "--json")))["generators"][0]["source"]
    assert source["rows"] == ROWS - 360 - 3, "an hour of rows, and the events delivered again"
    done(run("synth", "generate", "s", "--rows", "500"))


def test_training_by_hand_leaves_out_what_is_withdrawn_and_is_not_withdrawn_itself(run: Run, tmp_path: Path) -> None:
    made(run, tmp_path)
    period = ("--from", "2026-01-01T02:00", "--to", "2026-01-01T03:00", "--reason", "bad")
    done(run("withdraw", "s", *period, "--yes"))
    done(run("train", "s", "--detector", "pca"))
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'eddyline.db'}")
    champion = catalogue.champion("s")
    assert champion is not None
    facts = catalogue.model(champion).facts
    [window] = [edge for edge in catalogue.parents("model", champion) if edge.parent_kind == "window"]
    catalogue.close()
    assert status(run, champion)[champion] == "champion"
    assert [list(span) for span in window.facts["without"]] == [[START_MS + 7_200_000, START_MS + 10_800_000]]
    assert facts["fit_part_rows"] == ROWS * 3 // 4 - 360 - 2


def test_a_picture_opens_by_itself_and_says_in_words_what_colours_show(run: Run, tmp_path: Path) -> None:
    model, generator, dataset, _ = made(run, tmp_path)
    done(run("lineage", dataset, "--picture", "lineage.svg"))
    done(run("withdraw", generator, "--reason", "<wrong> & worse", "--yes"))
    drawn = Path("lineage.svg").read_text()
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert "dataset: published" in drawn
    done(run("lineage", dataset, "--picture", "lineage.svg"))
    drawn = Path("lineage.svg").read_text()
    assert "dataset: withdrawn" in drawn
    assert "&lt;wrong&gt; &amp; worse" in drawn
    done(run("lineage", model, "--picture", "lineage.png"))
    assert Path("lineage.png").read_bytes().startswith(b"\x89PNG")
    assert run("lineage", model, "--picture", "lineage.gif").exit_code == 2


def test_the_champion_that_is_withdrawn_gives_way_to_one_before_that_is_not(run: Run, tmp_path: Path) -> None:
    done(run("train", "s", "--detector", "pca", "--to", "2026-01-01T04:00"))
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'eddyline.db'}")
    first = catalogue.champion("s")
    for end in ("2026-01-01T08:00", "2026-01-01T09:00"):
        done(run("train", "s", "--detector", "pca", "--to", end))
    period = ("--from", "2026-01-01T06:00", "--to", "2026-01-01T07:00", "--reason", "bad")
    said = done(run("withdraw", "s", *period, "--yes", "--rollback"))
    assert f"{first} is the champion of s again" in said
    assert catalogue.champion("s") == first
    assert catalogue.decisions("s")[0].kind == "rolled_back"
    last = ("--from", "2026-01-01T00:00", "--to", "2026-01-01T01:00", "--reason", "bad too")
    none = run("withdraw", "s", *last, "--yes", "--rollback")
    catalogue.close()
    assert none.exit_code == 2
    assert "train again" in none.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lineage", "nope"), "nothing has an id"),
        (("withdraw", "nope", "--reason", "x"), "nothing has an id"),
        (("withdraw", "s", "--reason", "x"), "say which of its events"),
        (("withdraw", "s", "--reason", " ", "--from", "2026-01-01", "--to", "2026-01-02"), "--reason is empty"),
        (("withdraw", "s", "--reason", "x", "--from", "2026-01-02", "--to", "2026-01-01"), "not before"),
        (("withdraw", "nope", "--reason", "x", "--from", "2026-01-01"), "no stream is called"),
        (("duplicates", "nope"), "no stream is called"),
        (("duplicates", "s", "--from", "2027-01-01"), "nothing of stream"),
        (("duplicates", "s", "--dataset", "ab", "--from", "2026-01-01"), "looked at whole"),
        (("duplicates", "s", "--tolerance", "3"), "tolerance"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_duplicates_of_the_archive_and_of_a_dataset_are_shown_by_place(run: Run, tmp_path: Path) -> None:
    shown = done(run("duplicates", "s"))
    assert "training leaves 3 of them out" in shown
    assert "partition 0 offset 1,500" in shown
    document = json.loads(done(run("duplicates", "s", "--exact", "--json")))
    assert (document["by_id"]["rows"], document["other_content"], document["near"]) == (3, 3, None)
    assert "BR" not in json.dumps(document), "places, not values"
    _, _, dataset, _ = made(run, tmp_path)
    shown = done(run("duplicates", "s", "--dataset", dataset[:6]))
    assert "1,000 rows of dataset" in shown
    assert "synth show" in shown
