"""The command `eddyline`: gathers the command groups, and turns errors into one message and an exit status.

Each module of COMMANDS has `register(app)` and imports what is heavy inside its functions, so that `--help` is quick.
Exit status: 2 for settings to mend, 1 for anything else that went wrong, 130 when interrupted.
"""

from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from pipeline.errors import ConfigError, EddylineError
from pipeline.logs import quiet_kafka_client

COMMANDS = (
    "init",
    "check",
    "topics",
    "replay",
    "repartition",
    "archive",
    "train",
    "recalibrate",
    "backtest",
    "evaluate",
    "models",
    "synth",
    "quality",
    "lineage",
    "withdraw",
    "duplicates",
    "score",
    "canaries",
    "schedule",
    "jobs",
    "status",
    "alerts",
    "feedback",
    "notify",
    "record",
    "catalogue",
    "deadletters",
    "demo",
)
"""Modules of `pipeline.commands`, in the order `--help` shows them. A new command is one file and one line here."""
EXIT_CONFIG = 2
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class Commands(TyperGroup):
    """The one place where errors become messages."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; errors raised on purpose are said without a traceback."""
        quiet_kafka_client()
        try:
            return super().invoke(ctx)
        except EddylineError as error:
            Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(error))}")
            raise typer.Exit(EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED) from error
        except KeyboardInterrupt:
            Console(stderr=True).print("interrupted")
            raise typer.Exit(EXIT_INTERRUPTED) from None


def build() -> typer.Typer:
    """The application with all its commands."""
    built = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Watches event streams: learns what each normally carries, and alerts, with reasons, on what does not "
        "belong. Start with `eddyline demo`, or with `eddyline init --from FILE` on your own events.",
    )
    for name in COMMANDS:
        import_module(f"pipeline.commands.{name}").register(built)
    return built


app = build()

if __name__ == "__main__":
    app()
