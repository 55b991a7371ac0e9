"""Shows recorded alerts to people: as they were published, masked, with what people said of each beside it."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from pipeline.alerts.notify.terminal import harmless, harmless_json, rendered
from pipeline.alerts.wire import alert_from_document
from pipeline.catalogue import AlertEntry, Catalogue, FeedbackEntry
from pipeline.errors import UnreadableAlertError


def print_recorded(console: Console, catalogue: Catalogue, entries: Sequence[AlertEntry], *, is_json: bool) -> None:
    """Print alerts, the newest last. As JSON, one document a line, with `feedback` added where there is any."""
    for entry in reversed(entries):
        said = catalogue.feedback_on(entry.alert_id)[:1]
        if is_json:
            document = entry.document | ({"feedback": feedback_document(said[0])} if said else {})
            console.out(harmless_json(msgspec.json.encode(document).decode()), highlight=False)
        else:
            _print(console, entry, said)
    if not entries and not is_json:
        console.print("No recorded alerts. `eddyline record` writes them down; without --recorded the topic is read.")


def feedback_document(entry: FeedbackEntry) -> dict[str, object]:
    """What a person said, as JSON."""
    return {
        "verdict": entry.verdict,
        "user": entry.user,
        "score": entry.score,
        "note": entry.note,
        "given_ms": entry.given_ms,
    }


def _print(console: Console, entry: AlertEntry, said: Sequence[FeedbackEntry]) -> None:
    try:
        console.print(rendered(alert_from_document(entry.document)))
    except UnreadableAlertError as error:
        console.print(Text(f"{entry.alert_id} {entry.severity}: recorded, but unreadable ({error})", style="yellow"))
    for entry_said in said:
        note = f": {entry_said.note}" if entry_said.note else ""
        console.print(
            Text(harmless(f"  {entry_said.user} said {entry_said.verdict.replace('_', ' ')}{note}"), style="cyan")
        )
