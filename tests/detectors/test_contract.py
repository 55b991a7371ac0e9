"""Every detector keeps every promise of the contract."""

from collections.abc import Callable

import pytest

from detectors.base import Detector
from detectors.contract import PROMISES
from detectors.registry import DETECTORS, detector_class


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_promise(detector: type[Detector], promise: Callable[[type[Detector]], None]) -> None:
    promise(detector)


def test_names_are_unique_and_found() -> None:
    assert len({detector.name for detector in DETECTORS}) == len(DETECTORS)
    assert all(detector_class(detector.name) is detector for detector in DETECTORS)


def test_unknown_name_says_which_there_are() -> None:
    with pytest.raises(KeyError, match=r"choose one of .*vae, pca, forest"):
        detector_class("oracle")
