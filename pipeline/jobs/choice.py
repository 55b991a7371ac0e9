"""The detector that a spec asks for: the one it names, or, for `auto`, the one that does best on its own rows."""

from collections.abc import Callable

import pyarrow as pa

from detectors import auto
from detectors.auto import Choice
from detectors.base import Detector
from detectors.errors import UnusableDataError
from detectors.registry import detector_class
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError

Report = Callable[[float, str], None]
CHOOSING_SHARE = 0.5
"""Of the progress shown, where there is a choice to be made."""


class DetectorMaker:
    """Makes a stream's detector, not fitted yet."""

    def __init__(self, spec: StreamSpec, *, named: str | None, seed: int, device: str) -> None:
        """`named` instead of the spec's detector, where given. Raises ConfigError for a name that is none."""
        self.name = named or spec.detector_name
        self._budget, self._seed, self._device = spec.detector.time_budget_seconds, seed, device
        if self.name != auto.NAME:
            self._class(self.name)

    def make(self, table: pa.Table, report: Report) -> tuple[Detector, Choice | None]:
        """The detector, and for `auto` how it was chosen on `table`. Raises ConfigError where there is no choosing."""
        if self.name != auto.NAME:
            return self._made(self.name), None
        try:
            choice = auto.choose(
                table,
                seed=self._seed,
                time_budget_seconds=self._budget,
                device=self._device,
                progress=lambda fraction, text: report(CHOOSING_SHARE * fraction, text),
            )
        except UnusableDataError as error:
            raise ConfigError(f"no detector can be chosen: {error}") from error
        return self._made(choice.chosen), choice

    def _made(self, name: str) -> Detector:
        make: Callable[..., Detector] = self._class(name)
        return make(seed=self._seed, time_budget_seconds=self._budget, device=self._device)

    @staticmethod
    def _class(name: str) -> type[Detector]:
        try:
            return detector_class(name)
        except KeyError as error:
            raise ConfigError(f"{error.args[0]}, or {auto.NAME}") from None
