"""The detectors there are: adding one is its file and its line here."""

from detectors.base import Detector
from detectors.blend.detector import BlendDetector
from detectors.ecod import EcodDetector
from detectors.feedback.detector import CorrectedDetector
from detectors.forest import ForestDetector
from detectors.half_space_trees import HalfSpaceTreesDetector
from detectors.pca import PcaDetector
from detectors.taught.detector import TaughtDetector
from detectors.vae import VaeDetector
from detectors.windows.window_pca import WindowPcaDetector
from detectors.windows.window_vae import WindowVaeDetector

DETECTORS: tuple[type[Detector], ...] = (
    BlendDetector,
    TaughtDetector,
    CorrectedDetector,
    VaeDetector,
    PcaDetector,
    ForestDetector,
    EcodDetector,
    HalfSpaceTreesDetector,
    WindowVaeDetector,
    WindowPcaDetector,
)


def detector_class(name: str) -> type[Detector]:
    """The detector of that name; KeyError, naming the ones there are, for another."""
    for detector in DETECTORS:
        if detector.name == name:
            return detector
    raise KeyError(f"no detector {name!r}: choose one of {', '.join(d.name for d in DETECTORS)}")
