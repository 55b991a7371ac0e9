"""Prints alerts that someone asked for: rendered for people, or one JSON document a line for programs."""

from collections.abc import Sequence

from rich.console import Console

from pipeline.alerts.model import Alert
from pipeline.alerts.notify.terminal import harmless_json, rendered
from pipeline.alerts.wire import encode_alert


class Printer:
    """Where `eddyline alerts` writes."""

    def __init__(self, console: Console, *, is_json: bool) -> None:
        self._console, self._is_json = console, is_json

    def alert(self, alert: Alert) -> None:
        """One alert."""
        if self._is_json:
            self._console.out(harmless_json(encode_alert(alert).decode()), highlight=False)
        else:
            self._console.print(rendered(alert))

    def history(self, alerts: Sequence[Alert], *, limit: int, is_following: bool) -> None:
        """The newest `limit` alerts, and how many more there are; in JSON only the alerts."""
        for alert in alerts[-limit:]:
            self.alert(alert)
        if self._is_json:
            return
        if len(alerts) > limit:
            self._console.print(f"{len(alerts) - limit:,} earlier alerts not shown: raise --limit", style="dim")
        if not alerts and not is_following:
            self._console.print("No alerts. `eddyline status` says whether the stream is being scored.")
