"""Hands rows to the peers' Python and takes their scores back; without such a Python there are no peers.

EDDYLINE_PEERS names a Python executable that has what `requirements.txt` lists (`make peers` makes one in `.peers/`).
One child process serves a whole benchmark, on one core.

Shape legend: B rows, D columns.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
CHILD = Path(__file__).with_name("child.py")
LOCAL = Path(__file__).parents[2] / ".peers" / "bin" / "python"
MISSING = "peers left out: `make peers`, or name a Python that has bench/peers/requirements.txt in EDDYLINE_PEERS"


@dataclass(frozen=True, slots=True)
class PeerScores:
    """One peer's scores of the test rows (B,), and CPU seconds of one core."""

    scores_B: FloatArray
    fit_seconds: float
    score_seconds: float


class PeersFailedError(RuntimeError):
    """The peers' process ended; its own error stream says why."""


class Peers:
    """The child process; rows go to it through a temporary folder."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def score(
        self, train_BD: npt.NDArray[Any], test_BD: npt.NDArray[Any], names: Sequence[str]
    ) -> dict[str, PeerScores]:
        """Each named peer fitted on the training rows, and its scores of the others."""
        answer = self._ask("score", train_BD, test_BD, peers=list(names))
        scores = np.load(self._folder / "scores.npz")
        return {name: PeerScores(scores[name], *answer["seconds"][name]) for name in names}

    def isolation_shap(self, train_BD: npt.NDArray[Any], test_BD: npt.NDArray[Any]) -> FloatArray:
        """What each column adds to a row's isolation, (B, D), by SHAP on scikit-learn's isolation forest."""
        self._ask("shap", train_BD, test_BD)
        return np.asarray(np.load(self._folder / "shap.npz")["isolation_BD"], dtype=np.float64)

    def _ask(self, task: str, train_BD: npt.NDArray[Any], test_BD: npt.NDArray[Any], **more: Any) -> dict[str, Any]:
        np.savez(self._folder / "rows.npz", train_BD=train_BD, test_BD=test_BD)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"task": task, "folder": str(self._folder), **more}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise PeersFailedError(f"the peers' process ended with {self._process.wait()}: see its errors above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def peers_python() -> str | None:
    """EDDYLINE_PEERS, else the Python of `make peers`, else None."""
    return os.environ.get("EDDYLINE_PEERS") or (str(LOCAL) if LOCAL.exists() else None)


@contextmanager
def peers() -> Iterator[Peers | None]:
    """The peers while the block runs; None where no Python for them is named."""
    python = peers_python()
    if python is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="eddyline-peers-") as folder:
        process = subprocess.Popen(
            [python, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_CORE
        )
        try:
            yield Peers(process, Path(folder))
        finally:
            process.kill()
            process.wait()
