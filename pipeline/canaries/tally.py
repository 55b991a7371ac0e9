"""Counts on their way into the catalogue: held while it is away, added once."""

from typing import Protocol

import structlog

from pipeline.canaries.recall import HOUR_MS, CanaryCatalogue, LiveRecall, live_recall
from pipeline.canaries.shadow import Caught
from pipeline.clock import Clock
from pipeline.errors import CatalogueUnavailableError

log = structlog.get_logger()


class CountingCatalogue(CanaryCatalogue, Protocol):
    """The part of the catalogue that is written to."""

    def count_canaries(self, stream: str, model_id: str, counts: dict[str, tuple[int, int]], hour_ms: int) -> None:
        """Add to an hour's counts."""


class Tally:
    """One stream's counts. What is held when the process dies is lost: a canary is counted once at most."""

    def __init__(self, stream: str, catalogue: CountingCatalogue, clock: Clock) -> None:
        self._stream, self._catalogue, self._clock = stream, catalogue, clock
        self._held: dict[tuple[str, int], dict[str, tuple[int, int]]] = {}
        self._away = False

    def add(self, model_id: str, found: dict[str, Caught]) -> None:
        """Count a copy, in the hour it was made."""
        hour_ms = self._clock.now_ms() // HOUR_MS * HOUR_MS
        counts = self._held.setdefault((model_id, hour_ms), {})
        for family, caught in found.items():
            injected, seen = counts.get(family, (0, 0))
            counts[family] = injected + caught.injected, seen + caught.caught

    def write(self) -> str | None:
        """Add what is held to the catalogue. Says what is wrong where it is away; then it is held further."""
        try:
            while self._held:
                (model_id, hour_ms), counts = next(iter(self._held.items()))
                if counts:
                    self._catalogue.count_canaries(self._stream, model_id, counts, hour_ms)
                del self._held[model_id, hour_ms]
            self._away = False
            return None
        except CatalogueUnavailableError as error:
            if not self._away:
                log.warning("canaries not counted yet", stream=self._stream, error=str(error))
            self._away = True
            return str(error)

    def recall(self, model_id: str | None) -> LiveRecall | None:
        """The live recall of a model; None where the catalogue is away, or no model was asked about."""
        if model_id is None:
            return None
        try:
            return live_recall(self._catalogue, self._stream, model_id, now_ms=self._clock.now_ms())
        except CatalogueUnavailableError:
            return None
