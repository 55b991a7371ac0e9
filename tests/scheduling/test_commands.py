"""`eddyline jobs`: what people see and ask for; first answers come by index, however many runs there were."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert
from typer.testing import CliRunner, Result

from pipeline.catalogue import Catalogue, JobRunEntry
from pipeline.catalogue.service_tables import JobRunRow
from pipeline.commands.main import build

SPEC = """\
stream: payments
topic: payments
columns:
  - {name: amount, kind: numeric, roles: [feature]}
budget: {alerts_per_day: 5}
schedule:
  - {name: nightly, run: compaction, cron: "0 3 * * *", arguments: {least_files: 9}}
  - {name: tidy, run: retention, every_seconds: 86400}
"""
NOW_MS = time.time_ns() // 1_000_000


class Shell:
    """A folder of settings, commands typed into it, and its catalogue."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "eddyline.yaml"
        self.config.write_text("streams: streams\n")
        (folder / "streams").mkdir()
        (folder / "streams" / "payments.yaml").write_text(SPEC)
        self.catalogue = Catalogue.open(f"sqlite:///{folder / 'eddyline.db'}")
        self.app = build()

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(self.app, ["jobs", *words, "--config", str(self.config)], env={"COLUMNS": "200"})

    def says(self, *words: str) -> str:
        result = self.types(*words)
        assert result.exit_code == 0, result.output
        return result.output

    def ran(self, **more: Any) -> JobRunEntry:
        entry = JobRunEntry(
            run_id="0123456789abcdef", stream="payments", job="nightly", kind="compaction", fire_ms=NOW_MS, **more
        )
        self.catalogue.add_run(entry)
        return entry


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.catalogue.close()


def test_jobs_are_listed_with_their_next_fire_and_last_run(shell: Shell) -> None:
    shell.ran(status="failed", reason="the disk is full")
    told = shell.says("list")
    assert "nightly" in told
    assert "0 3 * * *" in told
    assert "03:00 (in" in told
    assert "failed" in told
    assert "none yet" in told
    assert "no scheduler leads" in told
    [nightly, tidy] = json.loads(shell.says("list", "--json"))
    assert nightly["last"]["reason"] == "the disk is full"
    assert (tidy["schedule"], tidy["last"]) == ("every 86400 s", None)


def test_a_job_is_paused_by_whom_and_resumed(shell: Shell) -> None:
    shell.says("pause", "payments", "nightly")
    assert "paused by" in shell.says("list")
    assert "03:00" in shell.says("resume", "payments", "nightly")
    assert "paused by" not in shell.says("list")
    refused = shell.types("pause", "payments", "weekly")
    assert refused.exit_code == 2
    assert "nightly, tidy" in refused.output


def test_a_run_is_asked_for_with_the_specs_arguments_and_others_laid_over(shell: Shell) -> None:
    told = shell.says("run", "payments", "nightly", "--argument", "below_bytes=1000")
    [run] = shell.catalogue.runs("payments")
    assert run.run_id[:12] in told
    assert "no scheduler runs now" in told
    assert (run.job, run.status, run.arguments) == ("nightly", "queued", {"least_files": 9, "below_bytes": 1000})
    shell.says("run", "payments", "nightly")
    assert len(shell.catalogue.runs("payments")) == 1, "one that waits already is not asked for twice"
    shell.says("run", "payments", "drift_check")
    assert shell.catalogue.runs("payments", "drift_check")[0].arguments == {}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("run", "payments", "nothing"), "nightly, tidy, train_detector"),
        (("run", "nobody", "nightly"), "there are payments"),
        (("run", "payments", "nightly", "--argument", "x"), "name=value"),
        (("run", "payments", "nightly", "--argument", "least_files=many"), "it takes below_bytes"),
        (("history", "ffff"), "no run has an id"),
    ],
)
def test_mistakes_say_what_there_is(shell: Shell, words: tuple[str, ...], hint: str) -> None:
    result = shell.types(*words)
    assert result.exit_code == 2
    assert hint in result.output.replace("\n", " ")


def test_one_run_in_full_has_all_that_is_known(shell: Shell) -> None:
    shell.ran(
        status="failed", reason="it [died]", last_lines="line 1\nthe [last] one", started_ms=NOW_MS,
        ended_ms=NOW_MS + 4_000, host="a-host", attempt=2, failures=1, arguments={"least_files": 9},
    )  # fmt: skip
    told = shell.says("history", "0123456789ab")
    for words in ("it [died]", "the [last] one", "least_files", "a-host, attempt 2", "4 s", "asked for by schedule"):
        assert words in told
    assert json.loads(shell.says("history", "0123456789ab", "--json"))["reason"] == "it [died]"


def test_history_is_of_a_stream_a_job_or_failures(shell: Shell) -> None:
    assert "nothing ran yet" in shell.says("history")
    for number, status in enumerate(("succeeded", "failed", "skipped")):
        entry = JobRunEntry(
            run_id=f"{number}" * 16, stream="payments", job=f"j{number}", kind="backup", status=status, fire_ms=number
        )
        shell.catalogue.add_run(entry)
    everything = shell.says("history", "payments")
    assert everything.index("skipped") < everything.index("failed") < everything.index("succeeded"), "newest first"
    failed = shell.says("history", "--failed")
    assert "failed" in failed
    assert "skipped" not in failed
    assert "j2" in shell.says("history", "payments", "--job", "j2")
    assert "no such runs" in shell.says("history", "--job", "j9")


def test_a_job_runs_here_where_nobody_leads_and_not_where_somebody_does(shell: Shell) -> None:
    told = shell.says("run", "payments", "tidy", "--here")
    assert "succeeded: nothing to delete" in told
    [run] = shell.catalogue.runs("payments")
    assert (run.status, run.origin) == ("succeeded", "here")
    assert shell.catalogue.acquire_lease("scheduler", "a leader", 600.0) is not None
    refused = shell.types("run", "payments", "tidy", "--here")
    assert refused.exit_code == 2
    assert "a scheduler leads now" in refused.output


def test_a_job_that_fails_here_is_written_down_as_failed(shell: Shell) -> None:
    failed = shell.types("run", "payments", "generate_dataset", "--argument", "rows=10", "--here")
    assert failed.exit_code == 2
    assert "no generator" in failed.output
    assert shell.catalogue.runs("payments")[0].status == "failed"
    assert shell.catalogue.acquire_lease("scheduler", "another", 5.0) is not None, "the lease was given back"


def test_answers_are_read_by_index_however_many_runs_there_were(shell: Shell) -> None:
    blank = JobRunEntry(run_id="", stream="payments", job="", kind="backup", fire_ms=0, status="succeeded")
    rows: list[dict[str, Any]] = [
        asdict(replace(blank, run_id=f"{number:032x}", job="nightly" if number % 2 else "tidy", fire_ms=number))
        for number in range(20_000)
    ]
    engine = shell.catalogue._engine
    with engine.begin() as connection:
        connection.execute(insert(JobRunRow), rows)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, k, statement, p, x, m: asked.append(statement))
    shell.catalogue.runs("payments", limit=20)
    shell.catalogue.runs(limit=20)
    shell.catalogue.runs("payments", "nightly", limit=1)
    shell.catalogue.runs("payments", "nightly", "succeeded", limit=1)
    shell.catalogue.due_runs(1 << 50)
    shell.catalogue.running_runs()
    selects = [statement for statement in asked if statement.startswith("SELECT")]
    assert len(selects) == 6
    with engine.connect() as connection:
        for statement in selects:
            values = ("payments",) * statement.count("?")
            plan = str(list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)))
            assert "USING INDEX" in plan, plan
            assert "SCAN job_runs'" not in plan, plan
