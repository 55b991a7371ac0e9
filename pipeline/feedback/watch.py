"""Keeps what people said of each stream's alerts: looked for beside scoring, swapped in between batches.

Asked for is only what was said since the last look. A catalogue that is away leaves the last rules in force, and is
said once.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from pipeline.errors import CatalogueUnavailableError
from pipeline.feedback.rules import NO_RULES, QuietRules
from pipeline.feedback.verdicts import Feedback

log = structlog.get_logger()

CHECK_SECONDS = 1.0


class FeedbackCatalogue(Protocol):
    """The part of the catalogue that is asked."""

    def feedback(self, stream: str, after_id: int = 0) -> Sequence[Feedback]:
        """The newest verdict on each alert of a stream, of those after an id."""


class FeedbackWatch(threading.Thread):
    """Looks every second for new verdicts on each stream's alerts."""

    def __init__(
        self,
        streams: Iterable[str],
        catalogue: FeedbackCatalogue,
        *,
        on_rules: Callable[[str, int], None] = lambda stream, rules: None,
    ) -> None:
        """`on_rules` is told how many rules hold whenever that may have changed."""
        super().__init__(name="eddyline-feedback", daemon=True)
        self._catalogue = catalogue
        self._on_rules = on_rules
        self._stop_event = threading.Event()
        self._said: dict[str, dict[str, Feedback]] = {stream: {} for stream in streams}
        self._rules: dict[str, QuietRules] = {}
        self.errors: dict[str, str] = {}

    def current(self, stream: str) -> QuietRules:
        """The rules in force; none until the catalogue was first read."""
        return self._rules.get(stream, NO_RULES)

    def check(self) -> None:
        """Look once."""
        for stream, said in self._said.items():
            try:
                self._check_stream(stream, said)
                self.errors.pop(stream, None)
            except CatalogueUnavailableError as error:
                self._note(stream, f"catalogue not asked for feedback, what was said before holds: {error}")

    def _check_stream(self, stream: str, said: dict[str, Feedback]) -> None:
        newest = max((entry.feedback_id for entry in said.values()), default=0)
        found = self._catalogue.feedback(stream, newest)
        if not found:
            return
        said |= {entry.alert_id: entry for entry in found}
        rules = QuietRules.of(said.values())
        self._rules[stream] = rules
        self._on_rules(stream, len(rules))
        log.info("feedback in force", stream=stream, verdicts=len(found), rules=len(rules))

    def _note(self, stream: str, message: str) -> None:
        if self.errors.get(stream) != message:
            log.error(message, stream=stream)
        self.errors[stream] = message

    def run(self) -> None:
        """Look until stopped."""
        while not self._stop_event.wait(CHECK_SECONDS):
            self.check()

    def stop(self) -> None:
        """Look no more."""
        self._stop_event.set()
