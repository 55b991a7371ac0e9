"""What commands ask of a catalogue with 10⁶ alerts and 10⁵ runs, on SQLite and, where there is one, Postgres.

Questions are timed by the clock. Commands run whole, from their arguments to their last line, in a process that has run
them before, on this catalogue and on an empty one, and what is told is by how much they take longer than there: what
comes beyond the start of Python, its modules and the reading of settings. The quickest of seven each, for what
neighbours on the machine cost is in the others. A tenth of the rows with --quick.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from bench.catalogue_rows import ALERTS, NOW_MS, fill, identifier
from bench.stage import spec_document
from pipeline.catalogue import AlertEntry, Catalogue, Place

LIMIT_SECONDS = 0.2
TIMES = 7
HOUR_MS = 3_600_000
Question = Callable[[Catalogue], object]
SAMPLE = {"schema_version": 1, "kind": "anomaly", "status": "resolved", "severity": "warning", "shadow": False,
          "message": "amount is 40 times what is usual for this key", "revision": 2, "topic": "payments-events",
          "topic_id": "aaaaaaaaaaaaaaaaaaaaaa", "partition": 0, "first_offset": 5, "last_offset": 9, "key": "c1",
          "started_ms": NOW_MS, "last_ms": NOW_MS, "published_ms": NOW_MS, "events": 3, "stream": "payments",
          "score_nats": 20.0, "tail_probability": 1e-6,
          "threshold_nats": 9.0, "model_id": identifier(0, 64), "keys": 1, "storm_id": None, "reasons": [],
          "event": {f"column {k}": 12.5 for k in range(12)}}  # fmt: skip


def questions(share: float) -> dict[str, Question]:
    """By name; of what commands and jobs ask."""
    last = round(ALERTS * share) - 1
    alert, run, model = identifier(last), identifier(7), identifier(5, 64)
    entry = AlertEntry(
        alert_id="new", stream="payments", revision=1, kind="anomaly", status="open", severity="warning",
        started_ms=NOW_MS, last_ms=NOW_MS, published_ms=NOW_MS, model_id=model, document=SAMPLE,
    )  # fmt: skip
    place = Place("payments.alerts", "id", 0)
    return {
        "alerts, the newest 50": lambda c: c.alerts("payments", limit=50),
        "alerts of all streams": lambda c: c.alerts(limit=50),
        "alerts of bad data, rare": lambda c: c.alerts("payments", limit=50, cause="bad_data"),
        "an alert by 8 of its digits": lambda c: c.alert(alert[:8]),
        "alerts of a model in a day": lambda c: c.alert_counts("payments", model, NOW_MS - 24 * HOUR_MS, NOW_MS),
        "feedback on an alert": lambda c: c.feedback_on(identifier(100)),
        "feedback of a stream, all": lambda c: c.feedback("payments"),
        "runs, the newest 100": lambda c: c.runs(),
        "runs of a job": lambda c: c.runs("payments", "nightly"),
        "runs that failed, rare": lambda c: c.runs(status="failed"),
        "queued runs of a job, none": lambda c: c.runs("payments", "hourly", status="queued", limit=1),
        "runs that are due, none": lambda c: c.due_runs(NOW_MS),
        "a run by 8 of its digits": lambda c: c.run(run[:8]),
        "decisions": lambda c: c.decisions("payments"),
        "evaluations": lambda c: c.evaluations("payments"),
        "champion": lambda c: c.champion("payments"),
        "models": lambda c: c.models("payments"),
        "datasets": lambda c: c.datasets("payments"),
        "quality results": lambda c: c.quality_results("payments"),
        "quality results of drift": lambda c: c.quality_results("payments", "drift"),
        "lineage of a model": lambda c: (c.parents("model", model), c.children("model", model)),
        "lineage by 8 digits": lambda c: c.find_node(model[:8]),
        "canaries of a week": lambda c: c.canary_counts("payments", NOW_MS - 168 * HOUR_MS),
        "write: 100 alerts and an offset": lambda c: c.record_alerts([entry] * 100, {place: 1}, "recorder"),
        "write: ask for a run": lambda c: c.request_run("payments", "backup", {}, origin="bench", now_ms=NOW_MS),
    }


def commands() -> list[list[str]]:
    """As they are typed."""
    return [
        ["alerts", "payments", "--recorded"],
        ["alerts", "payments", "--recorded", "--cause", "bad_data"],
        ["feedback", "--list", "payments"],
        ["jobs", "list"],
        ["jobs", "history"],
        ["jobs", "history", "payments"],
        ["models", "list", "payments"],
        ["models", "history", "payments"],
        ["quality", "list", "payments"],
        ["synth", "list"],
        ["synth", "requests"],
        ["lineage", identifier(5, 64)],
    ]


def run(console: Console, *, quick: bool) -> bool:
    """Fill, ask, print. True where every answer came within the limit."""
    share, kept = 0.1 if quick else 1.0, True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eddyline-bench-catalogue-")))
        places = {"SQLite": f"sqlite:///{folder}/full.db"}
        if (postgres := stack.enter_context(_postgres())) is not None:
            places["Postgres"] = postgres
        for name, url in places.items():
            begun = time.perf_counter()
            catalogue = Catalogue.open(url)
            fill(catalogue._engine, share=share, document=SAMPLE)
            console.print(f"{name}: filled in {time.perf_counter() - begun:.0f} s")
            rows: list[tuple[str, float | None]] = [
                (what, _quickest(catalogue, ask)) for what, ask in questions(share).items()
            ]
            rows += [(" ".join(["eddyline", *words]), _whole(folder, url, words)) for words in commands()]
            catalogue.close()
            console.print(_table(name, share, rows))
            kept &= all(seconds is not None and seconds <= LIMIT_SECONDS for _, seconds in rows)
    return kept


def _quickest(catalogue: Catalogue, ask: Question) -> float:
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        ask(catalogue)
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def _whole(folder: Path, url: str, words: list[str]) -> float | None:
    """Seconds of a command beyond its start; None where it ends with an error."""
    from pipeline.commands.main import app

    empty = _settings(folder / "empty", f"sqlite:///{folder}/empty.db")
    full = _settings(folder / "full", url)
    runner, seconds = CliRunner(), {empty: float("inf"), full: float("inf")}
    for turn in range(2 * TIMES):
        config = (empty, full)[turn % 2]
        begun = time.perf_counter()
        result = runner.invoke(app, [*words, "--config", str(config)])
        seconds[config] = min(seconds[config], time.perf_counter() - begun)
        if result.exit_code != 0 and config == full:
            return None
    return max(0.0, seconds[full] - seconds[empty])


def _settings(folder: Path, url: str) -> Path:
    (folder / "streams").mkdir(parents=True, exist_ok=True)
    (folder / "eddyline.yaml").write_text(yaml.safe_dump({"catalogue": url}))
    schedule = [{"name": name, "run": "quality_report", "cron": "0 3 * * *"} for name in ("nightly", "hourly")]
    for stream in ("payments", "logins"):
        document = spec_document(stream, "json", schedule=schedule)
        (folder / "streams" / f"{stream}.yaml").write_text(yaml.safe_dump(document))
    return folder / "eddyline.yaml"


def _table(name: str, share: float, rows: list[tuple[str, float | None]]) -> Table:
    table = Table(f"{name}, {round(ALERTS * share):,} alerts", "ms", title=f"limit {LIMIT_SECONDS * 1000:.0f} ms")
    for what, seconds in rows:
        shown = "failed" if seconds is None else f"{seconds * 1000:,.1f}"
        table.add_row(what, shown if seconds is not None and seconds <= LIMIT_SECONDS else f"[red]{shown}[/]")
    return table


@contextmanager
def _postgres() -> Iterator[str | None]:
    """A server of this run's own, where its programs are installed."""
    if not (shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        yield None
        return
    from tests.postgres_fixture import fresh_database, own_server

    with own_server() as server, fresh_database(server.url) as url:
        yield url
