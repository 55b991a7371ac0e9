"""`eddyline repartition`: run the repartition step of streams."""

import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.commands.context import Context
    from pipeline.repartition.plan import Hop


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(repartition)


def repartition(
    streams: Annotated[
        list[str] | None, typer.Argument(help="Streams; by default all that have a context with `repartition: true`.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes, each in all of the groups.")] = 1,
    accept_rejects: Annotated[
        bool, typer.Option("--accept-rejects", help="Dead-letter however many events do not fit the spec.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Derive the context of keys that are not the topic's own, exactly once, until interrupted.

    Example: eddyline repartition payments --workers 2
    """
    from pipeline.commands.context import load
    from pipeline.logs import configure_logs
    from pipeline.repartition.process import PRELOADED, run_worker
    from pipeline.scoring.forked import forked_workers
    from pipeline.scoring.supervisor import Supervisor, remove_surplus_members

    configure_logs()
    context = load(config)
    hops = _hops(context, streams)
    admin = context.broker().admin()
    try:
        for hop in (hop for found in hops.values() for hop in found):
            remove_surplus_members(admin, hop.group, partial(hop.slot_name, context.instance), workers)
    finally:
        admin.close()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    spawn = forked_workers(
        list(hops), config=config, accept_rejects=accept_rejects, run=run_worker, preloaded=PRELOADED
    )
    raise typer.Exit(Supervisor(spawn, workers=workers, stop=stop).run())


def _hops(context: "Context", streams: list[str] | None) -> "dict[str, tuple[Hop, ...]]":
    """The hops of each stream. Raises ConfigError where there is nothing to repartition."""
    from pipeline.repartition.plan import hops_of, needs_repartition

    asking = [name for name in sorted(context.specs) if needs_repartition(context.stated_spec(name))]
    names = list(dict.fromkeys(streams or asking))
    if not names:
        raise ConfigError(
            "no stream needs a repartition step: it is for contexts with `repartition: true` (`eddyline check` says "
            "which could use one)"
        )
    return {name: hops_of(context.stated_spec(name)) for name in names}
