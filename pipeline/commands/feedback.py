"""`eddyline feedback`: say that an alert was false or true, and see what was said."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.listing import MOST_SHOWN, more_text
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from pipeline.alerts.model import Alert
    from pipeline.catalogue import FeedbackEntry
    from pipeline.catalogue.feedback import Remark
    from pipeline.commands.context import Context
    from pipeline.feedback.figures import JudgedFigures


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(feedback)


def feedback(
    alert: Annotated[str | None, typer.Argument(help="An alert's id, or the beginning of it.")] = None,
    is_false: Annotated[bool, typer.Option("--false-positive", help="Nothing was wrong: keep the like quiet.")] = False,
    is_true: Annotated[
        bool, typer.Option("--confirmed", help="Something was wrong: never learn it as normal.")
    ] = False,
    is_withdrawn: Annotated[bool, typer.Option("--withdraw", help="Take back what was said.")] = False,
    note: Annotated[str, typer.Option(help="Why, in a few words; no personal values.")] = "",
    score: Annotated[float | None, typer.Option(help="How good the alert was, from 0 to 1.")] = None,
    user: Annotated[str | None, typer.Option(help="Who says so; the user of this computer by default.")] = None,
    listed: Annotated[
        str | None, typer.Option("--list", help="Show what was said of a stream's alerts, and how many were true.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="With --list: so many at most.")] = MOST_SHOWN,
    is_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Say that an alert was false or true: its like is kept quiet at once, and the next training learns from it.

    Example: eddyline feedback 3f2a91c0 --false-positive --note "planned load test"

    Example: eddyline feedback --list payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console()
    if listed is not None and alert is None:
        _list(console, context, listed, limit=limit, is_json=is_json)
        return
    if alert is None or listed is not None:
        raise ConfigError("name an alert to speak of, or --list STREAM to see what was said")
    _give(
        console,
        context,
        alert,
        flags={"false_positive": is_false, "confirmed": is_true, "withdraw": is_withdrawn},
        said=(user, note, score),
        is_json=is_json,
    )


def _give(
    console: "Console",
    context: "Context",
    prefix: str,
    *,
    flags: dict[str, bool],
    said: tuple[str | None, str, float | None],
    is_json: bool,
) -> None:
    from pipeline.alerts.wire import alert_from_document
    from pipeline.clock import SystemClock
    from pipeline.feedback.giving import Word, consequence, find_alert, give

    user, note, score = said
    word = Word.of(**flags, user=_os_user() if user is None else user, note=note, score=score)
    catalogue = context.catalogue()
    document = find_alert(prefix, catalogue, lambda: _published(context))
    entry = give(catalogue, document, word, now_ms=SystemClock().now_ms())
    if is_json:
        console.out(json.dumps(_document(entry)), highlight=False)
        return
    alert = alert_from_document(document)
    console.print(f"{alert.stream} {alert.id[:8]}: {alert.message}", markup=False, highlight=False)
    console.print(f"{word.verdict.value} by {word.user}: {consequence(word.verdict, alert)}", markup=False)


def _published(context: "Context") -> Iterator["Alert"]:
    """The alerts on every stream's topic."""
    from pipeline.alerts.listing import read_history

    for spec in context.specs.values():
        yield from read_history(context.broker(), spec).alerts


def _list(console: "Console", context: "Context", stream: str, *, limit: int, is_json: bool) -> None:
    from pipeline.commands.streams import stream_named
    from pipeline.feedback.figures import judged_figures

    stream_named(context.specs, stream)
    catalogue = context.catalogue()
    figures, shown = judged_figures(catalogue, stream), catalogue.newest_remarks(stream, limit)
    more = more_text(len(shown), catalogue.remarked(stream) - len(shown), "alerts that people spoke of")
    if is_json:
        document = {"feedback": [_document(e) for e in shown], "figures": [f.document() for f in figures]}
        console.out(json.dumps(document, indent=2), highlight=False)
        return
    if not shown:
        console.print(f"nothing was said of {stream}'s alerts yet: eddyline feedback ALERT --confirmed", markup=False)
        return
    console.print(_said_table(shown))
    if more:
        console.print(more)
    console.print(_judged_table(figures[:limit]))
    if figures[limit:]:
        console.print(more_text(limit, len(figures) - limit, "figures by week"))


def _said_table(remarks: "Sequence[Remark]") -> "Table":
    from rich.table import Table

    said = Table("given", "alert", "verdict", "by", "score", "alert's message", "note", box=None, header_style="bold")
    for e in remarks:
        score = "" if e.score is None else f"{e.score:g}"
        said.add_row(_moment(e.given_ms), e.alert_id[:8], e.verdict, e.user, score, e.message, e.note)
    return said


def _judged_table(figures: "Sequence[JudgedFigures]") -> "Table":
    from rich.table import Table

    judged = Table("week of", "model", "confirmed", "false", "true of judged", box=None, header_style="bold")
    for f in figures:
        low, high = f.interval
        share = f"{f.precision:.0%} (95%: {low:.0%} to {high:.0%})"
        judged.add_row(f.week, f.model_id, str(f.confirmed), str(f.false_positives), share)
    return judged


def _document(entry: "FeedbackEntry | Remark") -> dict[str, object]:
    names = ("alert_id", "stream", "verdict", "user", "score", "note", "given_ms")
    return {name: getattr(entry, name) for name in names}


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _os_user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigError("this computer does not say who you are: name yourself with --user") from error
