"""How long a killed leader is missed: from `kill -9` to another that leads, and to its run going on, on Postgres.

Instances and children are real processes; the lease is the default.
"""

import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.postgres_fixture import fresh_database, own_server
from tests.scheduling.jobs import steps_of
from tests.scheduling.service import Service, service, until

LIMIT_SECONDS = 10.0
KILLS = 5
STEPS = 400


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the figures; True where every takeover was within the limit."""
    folder = Path(tempfile.mkdtemp(prefix="eddyline-bench-"))
    try:
        with own_server() as server, fresh_database(server.url) as url, service(folder, url, []) as made:
            found = [_taken_over(made) for _ in range(2 if quick else KILLS)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table("from the kill of the leader to", "least", "greatest", box=None, header_style="bold")
    for name, values in zip(("another that leads", "its run going on"), zip(*found, strict=True), strict=True):
        table.add_row(name, f"{min(values):.1f} s", f"{max(values):.1f} s")
    console.print(table)
    return all(leads < LIMIT_SECONDS for leads, _ in found)


def _taken_over(made: Service) -> tuple[float, float]:
    """Seconds to another leader, and to the next step of the run that the killed one had under way."""
    living = [one for one in made.instances if one.process.poll() is None]
    started = [made.start() for _ in range(2 - len(living))]
    until(lambda: all(one.said("scheduler started") for one in started))
    leader = made.leader()
    [standby] = [one for one in made.instances if one.process.poll() is None and one is not leader]
    now_ms = time.time_ns() // 1_000_000
    run_id = made.catalogue.request_run("payments", "backup", {"steps": STEPS}, origin="a bench", now_ms=now_ms)
    notes = made.notes / f"{run_id}.jsonl"
    until(lambda: len(steps_of(notes)) >= 3)
    before = len(standby.said("leading"))
    leader.kill()
    killed = time.monotonic()
    done = len(steps_of(notes))
    until(lambda: len(standby.said("leading")) > before)
    leads = time.monotonic() - killed
    until(lambda: len(steps_of(notes)) > done + 1)
    goes_on = time.monotonic() - killed
    until(lambda: made.status(run_id) == "succeeded")
    return leads, goes_on
