"""`eddyline quality edit|open`: a stream's expectations in an editor, a report in the browser."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.quality_show import Which, found_report, report_folder
from pipeline.commands.synth_datasets import Config
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.config import StreamSpec
    from pipeline.yaml_nodes import Problem


def edit(
    stream: Annotated[str, typer.Argument(help="The stream.")],
    config: Config = None,
) -> None:
    """Change what is expected of a stream in $VISUAL or $EDITOR; a file with errors does not replace the old one.

    Without a terminal or an editor it prints where the file lies.

    Example: eddyline quality edit payments
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.commands.streams import stream_named
    from pipeline.expectations.suite_file import suite_path

    context, console = load(config), Console(soft_wrap=True)
    spec = stream_named(context.specs, stream)
    path = suite_path(context.settings, stream)
    if not path.is_file():
        raise ConfigError(
            f"nothing is expected of {stream} yet ({path} is not there): `eddyline quality run {stream}` infers it "
            "from the archive"
        )
    program = editor()
    if program is None or not has_terminal():
        console.print(str(path), markup=False)
        return
    _edited(path, spec, program, console)


def has_terminal() -> bool:
    """Whether there is a person to edit."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def editor() -> list[str] | None:
    """The words of the command that edits a file; None where the environment names none that is here."""
    stated = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    words = shlex.split(stated)
    return words if words and shutil.which(words[0]) else None


def _edited(path: Path, spec: "StreamSpec", program: Sequence[str], console: "Console") -> None:
    """Edit a copy until it is right or given up. Raises ConfigError where it was given up."""
    from pipeline.expectations.suite_file import read_suite
    from pipeline.lake.durable import write_atomic

    before = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="eddyline-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(before)
        while True:
            _run_editor(program, copy)
            after = copy.read_bytes()
            if after == before:
                console.print(f"{path} is as it was", markup=False)
                return
            suite, problems = read_suite(copy, spec)
            if suite is not None and not problems:
                break
            _say(console, path, problems)
            if not _again():
                left = f"{len(problems)} error{'s' if len(problems) != 1 else ''} left in what you wrote"
                raise ConfigError(f"{path} is as it was, with {left}{_kept(copy, path)}")
        if path.read_bytes() != before:
            raise ConfigError(f"{path} was changed meanwhile by somebody else: it is left alone{_kept(copy, path)}")
        write_atomic(path, after)
    console.print(f"{path} is written", markup=False)
    console.print(f"next: `eddyline quality run {spec.stream}` asks it of the newest events")


def _again() -> bool:
    """Whether to go on; who leaves the question unanswered does not."""
    try:
        return typer.confirm("edit it again?", default=True)
    except typer.Abort:
        return False


def _run_editor(program: Sequence[str], file: Path) -> None:
    """Raises ConfigError where the editor failed: what it left is not to be trusted."""
    done = subprocess.run([*program, str(file)], check=False)
    if done.returncode != 0:
        raise ConfigError(f"{program[0]} ended with exit status {done.returncode}: nothing was changed")


def _say(console: "Console", path: Path, problems: "Sequence[Problem]") -> None:
    """Every problem by its line of the file that people know."""
    for problem in problems:
        place = f"{path.name}:{problem.line}" if problem.line else path.name
        console.print(f"{place}: {problem.message}", style="red", markup=False)


def _kept(copy: Path, path: Path) -> str:
    """Keep what was written beside the suite, and say where."""
    from pipeline.lake.durable import write_atomic

    aside = path.with_suffix(".rejected.yaml")
    write_atomic(aside, copy.read_bytes())
    return f"; what you wrote lies in {aside}"


def open_report(which: Which = None, config: Config = None) -> None:
    """Open a report in the browser; the index of all of them without a name. Prints the path where there is no browser.

    Example: eddyline quality open payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    folder = report_folder(context)
    if which is None:
        found_report(folder, None)
        path = folder.index
    else:
        path = folder.path(found_report(folder, which))
    if not path.is_file():
        raise ConfigError(f"{path} is not there any more: `eddyline quality list` shows what is")
    console.print(str(path.resolve()), markup=False)
    if has_display():
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def has_display() -> bool:
    """Whether a browser would have a window to open: a terminal's own browser would take the terminal over."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
