"""`eddyline synth`: generators and the synthetic datasets they make."""

import typer

from pipeline.commands.synth_datasets import report, verify, withdraw
from pipeline.commands.synth_generate import generate
from pipeline.commands.synth_listing import list_datasets, requests, show
from pipeline.commands.synth_train import train


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Learn to make data like a stream's or a file's, make it, look after it.")
    group.command("train")(train)
    group.command("generate")(generate)
    group.command("report")(report)
    group.command("list")(list_datasets)
    group.command("show")(show)
    group.command("requests")(requests)
    group.command("verify")(verify)
    group.command("withdraw")(withdraw)
    app.add_typer(group, name="synth", no_args_is_help=True)
