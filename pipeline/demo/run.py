"""The demo from beginning to end, in one process tree: broker, archive, training, live scoring, summary, jobs.

A first run learns and keeps archive and model under `.demo/`; later runs of the same plan start with the live part,
from the same archive and the same champion. A run cut short while learning leaves a folder without its mark, which the
next run empties.
"""

import json
import shutil
import threading
from pathlib import Path
from typing import TextIO

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from detectors.columns import Role
from pipeline.clock import SystemClock
from pipeline.commands.context import Context
from pipeline.demo.aftermath import archive_live, run_jobs
from pipeline.demo.broker import EmbeddedBroker
from pipeline.demo.cache import FOLDER, DemoCache
from pipeline.demo.plan import DemoPlan
from pipeline.demo.prepare import prepare
from pipeline.demo.show import AlertTicker, print_aftermath, print_summary
from pipeline.demo.stage import LiveStage
from pipeline.demo.summary import Summary
from pipeline.errors import ConfigError, ModelError, UnavailableError
from pipeline.jobs.promise import MS_PER_DAY, promised_text
from pipeline.jobs.score_summary import anomalous
from pipeline.model_store import Bundle
from pipeline.records import times_ms
from pipeline.yaml_files import load_files


def run_demo(
    plan: DemoPlan,
    *,
    console: Console,
    stop: threading.Event,
    seconds: float = 25.0,
    fresh: bool = False,
    root: Path = FOLDER,
) -> Summary:
    """Run a plan. Raises StoppedError when told to stop before there is anything to sum up."""
    cache = DemoCache.open(plan.fingerprint(), root=root, fresh=fresh)
    console.print(f"[bold]eddyline demo[/bold]: {plan.title}", soft_wrap=True)
    if cache.is_ready and not _still_loads(plan, cache):
        console.print("the model of an earlier run is of another version and is learned again")
        cache.empty()
    with cache.log_file.open("a", encoding="utf-8") as log_file:
        _log_to(log_file)
        if cache.is_ready:
            console.print(f"reusing the archive and model in {_short(cache.folder)}; --fresh starts over")
        else:
            _learn(plan, cache, console, stop)
        with EmbeddedBroker() as broker:
            context = _context(cache.write_settings(plan.spec, bootstrap=broker.bootstrap))
            _begin_anew(plan, context, cache)
            summary = _live(plan, context, console, stop, seconds)
            archive_live(plan, context, stop)
        print_summary(console, summary)
        console.rule("what the scheduled service does by itself")
        with _progress(console) as progress:
            task = progress.add_task("starting", total=1.0)
            done = run_jobs(
                plan,
                context,
                stop,
                lambda fraction, text: progress.update(task, completed=fraction, description=text),
            )
        print_aftermath(console, done, context.catalogue())
    _say_what_next(plan, cache, console)
    return summary


def _begin_anew(plan: DemoPlan, context: Context, cache: DemoCache) -> None:
    """The archive and the champion as they were learned: what an earlier run added to them is taken out again."""
    learned = cache.facts()
    for folder in context.lake().real(plan.spec.stream).iterdir():
        if folder.name not in learned["topic_ids"]:
            shutil.rmtree(folder)
    catalogue = context.catalogue()
    if catalogue.champion(plan.spec.stream) != learned["model_id"]:
        now_ms = SystemClock().now_ms()
        catalogue.set_champion(plan.spec.stream, learned["model_id"], "the demo begins anew", now_ms)


def _still_loads(plan: DemoPlan, cache: DemoCache) -> bool:
    """Whether the kept model can be used by this version."""
    try:
        _champion(plan, _context(cache.settings_file))
    except (ConfigError, ModelError, UnavailableError):
        return False
    return True


def _learn(plan: DemoPlan, cache: DemoCache, console: Console, stop: threading.Event) -> None:
    with EmbeddedBroker() as broker, _progress(console) as progress:
        context = _context(cache.write_settings(plan.spec, bootstrap=broker.bootstrap))
        task = progress.add_task("starting", total=1.0)
        done = prepare(
            plan,
            context,
            stop,
            lambda fraction, text: progress.update(task, completed=fraction, description=text),
        )
        progress.update(task, completed=1.0, description="learned")
    trained = done.trained
    console.print(
        f"{plan.history.num_rows:,} past events archived in {done.archive_seconds:.1f} s "
        f"(replayed at {plan.history.num_rows / done.replay_seconds:,.0f} events/s), anomalies and all; "
        f"learned in {trained.report.seconds:.1f} s from {trained.fit_rows:,}"
    )
    topic_ids = sorted({file.topic_id for file in context.lake().files(plan.spec.stream)})
    cache.mark_ready({"topic_ids": topic_ids, "model_id": trained.bundle.model_id})


def _live(plan: DemoPlan, context: Context, console: Console, stop: threading.Event, seconds: float) -> Summary:
    bundle = _champion(plan, context)
    per_day = plan.live.num_rows / max(1e-9, _days(plan))
    console.print(f"promise: {promised_text(bundle.threshold, events_per_day=per_day)}")
    console.rule(f"live: {plan.live.num_rows:,} new events in about {seconds:.0f} s; each alert with its reasons")
    ticker = AlertTicker(console, SystemClock(), _labels(plan))
    with _progress(console) as progress:
        task = progress.add_task("live", total=plan.live.num_rows)
        stage = LiveStage(
            plan,
            context,
            bundle,
            seconds=seconds,
            on_alert=ticker.show,
            on_rows=lambda rows: progress.advance(task, rows),
        )
        return stage.run(stop)


def _context(settings_file: Path) -> Context:
    """The demo's own settings, whatever the environment says: it must not write to anyone's Kafka."""
    return Context.of(load_files(settings_file, environment={}))


def _champion(plan: DemoPlan, context: Context) -> Bundle:
    model_id = context.catalogue().champion(plan.spec.stream)
    if model_id is None:
        raise ModelError("the demo's catalogue names no model: run `eddyline demo --fresh`")
    return context.model_store().load(model_id)


def _labels(plan: DemoPlan) -> list[str]:
    """For each live event what its label says; empty without labels."""
    column = plan.spec.column_with(Role.LABEL)
    if column is None:
        return []
    marked = anomalous(plan.live[column])
    names = plan.live[plan.kind_column].to_pylist() if plan.kind_column is not None else ["anomalous"] * len(marked)
    return [
        str(name or "anomalous") if is_marked else "ordinary" for name, is_marked in zip(names, marked, strict=True)
    ]


def _days(plan: DemoPlan) -> float:
    column = plan.spec.column_with(Role.TIME)
    if column is None:
        return 1.0
    batches = plan.live.to_batches()
    return float(times_ms(batches[-1], column)[-1] - times_ms(batches[0], column)[0]) / MS_PER_DAY


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _log_to(file: TextIO) -> None:
    """Services' logs go to a file, so that alerts can be read on the terminal."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=json.dumps, default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=file),
        cache_logger_on_first_use=False,
    )


def _say_what_next(plan: DemoPlan, cache: DemoCache, console: Console) -> None:
    name = plan.spec.stream
    console.rule("what next")
    settings_file = _short(cache.settings_file)
    for purpose, command in (
        ("look back", f"eddyline backtest {name} --config {settings_file}"),
        ("the reports", f"eddyline quality open {name} --config {settings_file}"),
        ("what came of what", f"eddyline lineage {cache.facts()['model_id']} --config {settings_file}"),
        ("your own data", "eddyline demo --data FILE.parquet --label COLUMN --key COLUMN --time COLUMN"),
        ("your own Kafka", "eddyline init --from TOPIC, then eddyline archive, train and score"),
    ):
        console.print(f"{purpose}: [bold]{command}[/bold]", soft_wrap=True, highlight=False)


def _short(path: Path) -> Path:
    """Relative to the working folder where it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
