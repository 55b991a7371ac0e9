"""`eddyline train --challenge`: what the scheduled retraining does, here and now."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from pipeline.commands.people import person

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec


def run_challenge(
    console: "Console",
    context: "Context",
    spec: "StreamSpec",
    window: tuple[int | None, int | None],
    *,
    detector: str | None,
    seed: int | None,
) -> None:
    """Train, compare, decide; exits with 1 where the challenger is refused."""
    from pipeline.clock import SystemClock
    from pipeline.commands.model_compare import print_comparison
    from pipeline.lifecycle.challenge import Challenging, challenge
    from pipeline.lifecycle.challenger import Asked
    from pipeline.lifecycle.inputs import Inputs

    catalogue = context.catalogue()
    work = Challenging(
        spec=spec,
        lake=context.lake(),
        store=context.model_store(),
        catalogue=catalogue,
        clock=SystemClock(),
        inputs=Inputs.of(spec, catalogue, context.masker(spec)),
        by=person(),
    )
    asked = Asked(start_ms=window[0], end_ms=window[1], detector=detector, seed=seed)
    with training_progress(console) as report:
        done = challenge(work, asked, report=report)
    print_comparison(console, done.comparison)
    console.print(f"model {done.bundle.model_id} is {done.decision.kind}: {done.decision.reason}", soft_wrap=True)
    console.print(f"next: `eddyline models history {spec.stream}` shows all decisions", soft_wrap=True)
    if not done.decided.promoted:
        raise typer.Exit(1)


@contextmanager
def training_progress(console: "Console") -> Iterator[Callable[[float, str], None]]:
    """A bar on the terminal, and what moves it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("training", total=1.0)
        yield lambda fraction, text: progress.update(task, completed=fraction, description=text)
