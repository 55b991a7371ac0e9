"""Child process of `bench.real`: archives a stream as `eddyline archive` does and prints how fast.

`python -m bench.real_child CONFIG STREAM EVENTS` prints one JSON object. From the first events read to everything
committed and published.
"""

import json
import sys
import time
from pathlib import Path

from bench.scoring_child import PATIENCE_SECONDS
from pipeline.archive import Archiver
from pipeline.clock import SystemClock
from pipeline.commands.context import Context, load
from pipeline.intake import Intake


def archive(context: Context, stream: str, events: int) -> dict[str, float]:
    """Archive so many events."""
    spec, started = context.specs[stream], time.monotonic()
    lake, broker = context.lake(), context.broker()
    archiver = Archiver(context.settings, spec, broker, lake, SystemClock(), intake=Intake(spec))
    archiver.open()
    begun = 0.0
    while archiver.progress.events < events:
        archiver.turn()
        begun = begun or (time.monotonic() if archiver.progress.events else 0.0)
        if time.monotonic() - started > PATIENCE_SECONDS:
            raise TimeoutError("the archiver did not get through its events")
    archiver.drain()
    seconds = time.monotonic() - begun
    archiver.close()
    return {"rows": archiver.progress.archived, "rows_per_second": archiver.progress.archived / seconds}


if __name__ == "__main__":
    config, stream, events = sys.argv[1:4]
    sys.stdout.write(json.dumps(archive(load(Path(config)), stream, int(events))) + "\n")
