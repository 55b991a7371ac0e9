"""`eddyline synth generate`: make a dataset, chunk by chunk, through its gates."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError
from pipeline.synthesis.quantities import row_count, span_text

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.catalogue import Catalogue, GeneratorEntry
    from pipeline.jobs.synth_generate import Generated, Report

EXIT_REFUSED = 1


def generate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="STREAM|GENERATOR", help="A stream or file's name (its newest generator not withdrawn), or an id."
        ),
    ],
    rows: Annotated[str, typer.Option(help="How many: 5000, 1e6, 1_000_000, 1M.")],
    where: Annotated[str, typer.Option(help='Conditions that every row meets: "country=BR|PT,amount>500".')] = "",
    balance: Annotated[str, typer.Option(help="A column whose levels come equally often.")] = "",
    anomalies: Annotated[str, typer.Option(help="Labelled anomalies to put in: 2%:velocity,spike.")] = "",
    seed: Annotated[int, typer.Option(help="The same request and seed give the same rows.")] = 0,
    device: Annotated[
        str, typer.Option(help="cpu, or cuda where there is one; another device makes other rows.")
    ] = "cpu",
    parent: Annotated[str | None, typer.Option(help="The request that this one follows; kept with it.")] = None,
    licence: Annotated[str | None, typer.Option(help="Address of the licence of the rows, for the manifest.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Make a synthetic dataset. It is published only if its gates pass; else it is kept aside, with the reason.

    Memory does not grow with the rows. A run that was killed goes on where it was: run the same again.

    Example: eddyline synth generate payments --rows 1e6 --where "country=BR" --seed 7
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.jobs.synth_generate import NO_LICENCE, GenerateOptions, synth_generate
    from pipeline.synthesis.generator_store import GeneratorStore
    from pipeline.synthesis.models import check_device
    from pipeline.synthesis.requests import GenerationRequest
    from pipeline.synthesis.stream_source import real_halves

    wanted = row_count(rows)
    check_device(device)
    context, console = load(config), Console(stderr=True)
    catalogue = context.catalogue()
    entry = generator_named(catalogue, target)
    bundle = GeneratorStore(context.settings.models).load(entry.generator_id, device=device)
    request = GenerationRequest(
        generator_id=bundle.generator_id,
        rows=wanted,
        seed=seed,
        where=where,
        balance=balance,
        anomalies=anomalies,
        device=device,
    )
    with _Showing(console, wanted) as report:
        made = synth_generate(
            request,
            bundle=bundle,
            real=lambda: real_halves(context.lake(), bundle),
            lake=context.lake(),
            catalogue=catalogue,
            clock=SystemClock(),
            options=GenerateOptions(parent=parent, licence=licence or NO_LICENCE),
            report=report,
        )
    _say(console, made)
    if not made.judged.passed:
        raise typer.Exit(EXIT_REFUSED)


def generator_named(catalogue: "Catalogue", target: str) -> "GeneratorEntry":
    """The newest generator of a stream or file's name that is not withdrawn, or the one whose id begins so. Raises
    ConfigError."""
    from pipeline.lineage.nodes import Node, NodeKind
    from pipeline.lineage.withdrawn import first_usable

    by_node = {Node(NodeKind.GENERATOR, entry.generator_id): entry for entry in catalogue.generators(target)}
    if by_node:
        return by_node[first_usable(catalogue, by_node)]
    try:
        return catalogue.generator(target)
    except ConfigError:
        names = sorted({entry.stream for entry in catalogue.generators()})
        known = f"there are generators of {', '.join(names)}" if names else "there is none yet"
        raise ConfigError(
            f"no generator was trained for {target!r}, and none has an id that begins so ({known}): "
            f"`eddyline synth train {target}` makes one"
        ) from None


class _Showing:
    """A bar with rows, rows a second and the time left, while rows are made; a line of text else."""

    def __init__(self, console: "Console", rows: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("starting", total=rows, speed="")
        self._rows = rows
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> "Report":
        self._progress.__enter__()
        return self.report

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)

    def report(self, done: int, text: str) -> None:
        """Show where it stands."""
        now = time.monotonic()
        if self._first is None and done:
            self._first = now, done
        speed = f"{done:,} of {self._rows:,} rows"
        if self._first is not None and done > self._first[1] and now > self._first[0]:
            rate = (done - self._first[1]) / (now - self._first[0])
            left = f", {span_text((self._rows - done) / rate)} left" if done < self._rows else ""
            speed += f", {rate:,.0f} rows/s{left}"
        self._progress.update(self._task, completed=done, description=text, speed=speed)


def _say(console: "Console", generated: "Generated") -> None:
    manifest, places = generated.manifest, generated.places
    size = sum(part["size_bytes"] for part in manifest["files"])
    files = len(manifest["files"])
    what = f"{manifest['rows']:,} rows in {files} file{'s' if files > 1 else ''} ({size:,} bytes)"
    if not generated.judged.passed:
        console.print(f"[bold red]not published:[/] dataset {places.dataset_id}, {what}", soft_wrap=True)
        for reason in generated.judged.reasons:
            console.print(f"  {reason}", markup=False, soft_wrap=True)
        console.print(f"kept for inspection in {places.failed}; no reader sees it", soft_wrap=True)
        console.print(
            f"next: `eddyline synth report {places.dataset_id}` shows the figures; train longer (`--budget`) or on "
            "more rows, then generate again",
            soft_wrap=True,
        )
        return
    found = "published" if generated.made else "was published already"
    console.print(f"dataset {places.dataset_id} {found}: {what} in {places.published}", soft_wrap=True)
    if manifest["anomalies"]:
        console.print(f"{manifest['anomalies']['rows']:,} rows are labelled anomalies ({_kinds(manifest)})")
    console.print(
        f"next: `eddyline synth report {places.dataset_id}` writes its page, `eddyline synth verify "
        f"{places.dataset_id}` checks its files",
        soft_wrap=True,
    )


def _kinds(manifest: "dict[str, Any]") -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in manifest["anomalies"]["by_kind"].items())
