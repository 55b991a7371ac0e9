"""Keeps each stream's champion loaded: looked for beside scoring, swapped in between batches."""

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from pipeline.errors import CatalogueUnavailableError, ModelError
from pipeline.model_store import Bundle

log = structlog.get_logger()

CHECK_SECONDS = 1.0


class ChampionCatalogue(Protocol):
    """The part of the catalogue that is asked."""

    def champion(self, stream: str) -> str | None:
        """The id of the stream's champion model."""


class BundleStore(Protocol):
    """The part of the model store that is asked."""

    def load(self, model_id: str, *, device: str = "cpu") -> Bundle:
        """Raises ModelError naming the file that is wrong."""


class ChampionWatch(threading.Thread):
    """Looks every second for a new champion of each stream and loads it; the last good one stays in service.

    A champion that cannot be loaded is said once and tried again every second: its files may still be arriving.
    """

    def __init__(
        self,
        streams: Iterable[str],
        catalogue: ChampionCatalogue,
        store: BundleStore,
        *,
        device: str = "cpu",
        check: Callable[[str, Bundle], None] = lambda stream, bundle: None,
    ) -> None:
        """`check` raises ModelError for a bundle that does not fit its stream's spec."""
        super().__init__(name="eddyline-champions", daemon=True)
        self._streams = tuple(streams)
        self._catalogue = catalogue
        self._store = store
        self._device = device
        self._check_bundle = check
        self._stop_event = threading.Event()
        self._bundles: dict[str, Bundle] = {}
        self.errors: dict[str, str] = {}

    def current(self, stream: str) -> Bundle | None:
        """The champion in service; None until one was loaded."""
        return self._bundles.get(stream)

    def check(self) -> None:
        """Look once, and load what is new."""
        for stream in self._streams:
            try:
                self._check_stream(stream)
            except ModelError as error:
                self._note(stream, f"champion not loaded, the previous model stays in service: {error}")
            except CatalogueUnavailableError as error:
                self._note(stream, f"catalogue not asked for a champion: {error}")

    def _check_stream(self, stream: str) -> None:
        wanted, loaded = self._catalogue.champion(stream), self._bundles.get(stream)
        if wanted is None or (loaded is not None and loaded.model_id == wanted):
            self.errors.pop(stream, None)
            return
        bundle = self._store.load(wanted, device=self._device)
        self._check_bundle(stream, bundle)
        self._bundles[stream] = bundle
        self.errors.pop(stream, None)
        log.info("champion in service", stream=stream, model=wanted, previous=loaded.model_id if loaded else None)

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
