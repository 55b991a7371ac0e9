"""What the processes of one test session know together of a server that they share."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def shared_state(path: Path) -> Iterator[dict[str, str | int]]:
    """The state in a file, held under a lock while it is open; changes are kept."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        state: dict[str, str | int] = json.loads(file.read() or "{}")
        yield state
        file.seek(0)
        file.truncate()
        json.dump(state, file)
        file.flush()
