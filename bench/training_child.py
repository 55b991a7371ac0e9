"""One training run in a process of its own, so that its memory is its own: `FOLDER plain|context`."""

import json
import resource
import sys
import time
from pathlib import Path

from bench.training_memory import spec_of
from pipeline.catalogue.catalogue import Catalogue
from pipeline.clock import SystemClock
from pipeline.jobs.train import TrainOptions, train
from pipeline.lake import Lake
from pipeline.model_store import ModelStore


def main() -> None:
    """Train, and print what it took as JSON."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    began = time.monotonic()
    trained = train(
        spec_of(name),
        lake=Lake(folder / "lake"),
        store=ModelStore(folder / "models"),
        catalogue=Catalogue.open(f"sqlite:///{folder / 'eddyline.db'}"),
        clock=SystemClock(),
        options=TrainOptions(),
    )
    found = {
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": time.monotonic() - began,
        "fit_seconds": trained.report.seconds,
        "fit_rows": trained.fit_rows,
        "calibration_rows": trained.bundle.threshold.calibration_rows,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
