"""No broker at the address: one clear error within seconds, from commands and services alike."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

SPEC = {
    "stream": "s",
    "topic": "s",
    "columns": [{"name": "x", "kind": "numeric", "roles": ["feature"]}],
    "budget": {"alerts_per_day": 1.0},
}


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """Settings that name an address where nothing listens, held so that nothing else will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        bootstrap = f"127.0.0.1:{held.getsockname()[1]}"
        settings = {"kafka": {"bootstrap": [bootstrap], "connect_timeout_seconds": 1.0}, "metrics": {"port": 0}}
        (tmp_path / "streams").mkdir()
        (tmp_path / "streams" / "s.yaml").write_text(yaml.safe_dump(SPEC))
        (tmp_path / "eddyline.yaml").write_text(yaml.safe_dump(settings))
        yield tmp_path / "eddyline.yaml"


@pytest.mark.parametrize("command", [["topics", "list"], ["archive"], ["score"]], ids=" ".join)
def test_an_unreachable_broker_is_said_once_with_what_to_do(config: Path, command: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EDDYLINE_")}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.commands.main", *command, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 1
    *before, last = done.stderr.splitlines()
    assert last.startswith("error: no Kafka broker answers at 127.0.0.1:")
    assert "EDDYLINE_KAFKA_BOOTSTRAP" in last
    for line in before:
        assert isinstance(json.loads(line), dict), "a line that is not ours"
