"""`eddyline deadletters`: look at the events that could not be used."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.codecs.reject_reason import RejectReason
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.deadletters import DeadLetter
    from pipeline.kafka.port import Block

READ_TIMEOUT_SECONDS = 60.0
HIDDEN = "hidden: the stream has personal columns; --reveal shows it"
Stream = Annotated[str, typer.Argument(help="The stream whose dead letters are looked at.")]
Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Look at the events that could not be used.")
    group.command("list")(list_letters)
    group.command("count")(count_letters)
    group.command("show")(show_letter)
    app.add_typer(group, name="deadletters")


@dataclass(slots=True)
class Letters:
    """A dead-letter topic as read, oldest first."""

    found: "list[DeadLetter]" = field(default_factory=list)
    foreign: int = 0
    """Records on the topic that eddyline did not write."""

    def take(self, block: "Block") -> None:
        """Note a block's dead letters."""
        from pipeline.deadletters import parse_dead_letter

        for key, value, headers in zip(block.keys, block.values, block.headers, strict=True):
            try:
                self.found.append(parse_dead_letter(key, value, headers))
            except ValueError:
                self.foreign += 1


def list_letters(
    stream: Stream,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest.")] = 50,
    reason: Annotated[RejectReason | None, typer.Option(help="Only those of one reason.")] = None,
    config: Config = None,
) -> None:
    """List dead letters: when, where from, why.

    Example: eddyline deadletters list payments --reason wrong_type
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from pipeline.commands.context import load

    context = load(config)
    letters = _read(context, stream_named(context.specs, stream))
    chosen = [letter for letter in letters.found if reason is None or letter.reason is reason]
    table = Table("appended", "topic", "partition", "offset", "row", "reason", "detail", box=None, pad_edge=False)
    for letter in sorted(chosen, key=lambda letter: letter.append_ms)[-limit:]:
        when = datetime.fromtimestamp(letter.append_ms / 1000, UTC).isoformat(" ", "seconds")
        row = "" if letter.row is None else str(letter.row)
        source = (letter.topic, str(letter.partition), str(letter.offset), row)
        table.add_row(when, *source, letter.reason.value, escape(printable(letter.detail)))
    console = Console()
    if chosen:
        console.print(table)
    console.print(f"{min(limit, len(chosen)):,} of {len(letters.found):,} dead letters of {stream}{_foreign(letters)}")
    if chosen:
        console.print(f"next: `eddyline deadletters show {stream} PARTITION OFFSET` shows one with its bytes")


def count_letters(stream: Stream, config: Config = None) -> None:
    """Count dead letters by reason.

    Example: eddyline deadletters count payments
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load

    context = load(config)
    letters = _read(context, stream_named(context.specs, stream))
    table = Table("reason", "events", box=None, pad_edge=False)
    for reason, count in Counter(letter.reason.value for letter in letters.found).most_common():
        table.add_row(reason, f"{count:,}")
    console = Console()
    if letters.found:
        console.print(table)
    console.print(f"{len(letters.found):,} dead letters of {stream}{_foreign(letters)}")


def show_letter(
    stream: Stream,
    partition: Annotated[int, typer.Argument(help="Partition of the source topic.")],
    offset: Annotated[int, typer.Argument(help="Offset in the source topic.")],
    row: Annotated[int | None, typer.Option(help="Row within the record, for records of many events.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the bytes though they may be personal.")] = False,
    config: Config = None,
) -> None:
    """Show one dead letter with its raw bytes, as a hexadecimal dump where they are no text.

    Example: eddyline deadletters show payments 0 1234 --reveal
    """
    from rich.console import Console

    from detectors.columns import Role
    from pipeline.commands.context import load

    context = load(config)
    spec = stream_named(context.specs, stream)
    at = (partition, offset)
    found = [letter for letter in _read(context, spec).found if (letter.partition, letter.offset) == at]
    found = [letter for letter in found if row is None or letter.row == row]
    if not found:
        raise ConfigError(
            f"there is no dead letter of {stream} from partition {partition}, offset {offset}: "
            f"`eddyline deadletters list {stream}` shows where there are"
        )
    console = Console(markup=False, highlight=False, soft_wrap=True)
    hide = bool(spec.columns_with(Role.PERSONAL)) and not reveal
    for letter in found:
        console.print(describe(letter, hide=hide))


def describe(letter: "DeadLetter", *, hide: bool) -> str:
    """A dead letter in full; its key and bytes only unless they are to be hidden."""
    lines = [
        f"stream     {letter.stream}",
        f"from       {letter.topic}, partition {letter.partition}, offset {letter.offset}"
        + ("" if letter.row is None else f", row {letter.row} (below as an Arrow stream of its own)"),
        f"reason     {letter.reason.value}",
        f"detail     {printable(letter.detail)}",
        f"length     {letter.length:,} bytes, SHA-256 {letter.sha256}",
    ]
    if letter.cut:
        lines.append(f"cut        only the first {len(letter.value or b''):,} bytes were kept; the source has all")
    lines.append(f"key        {HIDDEN if hide else shown(letter.key)}")
    lines.append(f"value      {HIDDEN}" if hide else f"value\n{shown(letter.value)}")
    return "\n".join(lines)


def shown(raw: bytes | None) -> str:
    """Bytes for a terminal: text with its control characters made visible, else a hexadecimal dump."""
    if raw is None:
        return "null"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return hexdump(raw)
    return hexdump(raw) if "\0" in text else printable(text)


def printable(text: str) -> str:
    """Text that cannot steer a terminal: characters that print nothing are written as escapes, new lines kept."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def hexdump(raw: bytes) -> str:
    """Sixteen bytes a line: place, hexadecimal, and ASCII where it prints."""
    lines = []
    for at in range(0, len(raw), 16):
        part = raw[at : at + 16]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
        lines.append(f"{at:08x}  {part.hex(' '):<47}  {text}")
    return "\n".join(lines)


def _read(context: "Context", spec: "StreamSpec") -> Letters:
    """Every dead letter of a stream. Raises ConfigError where the topic does not exist."""
    from pipeline.kafka.port import TopicPartition

    broker = context.broker()
    admin = broker.admin()
    try:
        found = admin.describe([spec.dead_letters_topic])
    finally:
        admin.close()
    if spec.dead_letters_topic not in found:
        raise ConfigError(
            f"the topic {spec.dead_letters_topic} does not exist: nothing was rejected before `eddyline score` ran; "
            "`eddyline topics create` makes it"
        )
    partitions = [TopicPartition(spec.dead_letters_topic, p) for p in range(found[spec.dead_letters_topic].partitions)]
    letters = Letters()
    broker.read_all(partitions, letters.take, timeout_seconds=READ_TIMEOUT_SECONDS, headers=True)
    return letters


def _foreign(letters: Letters) -> str:
    return f"; {letters.foreign:,} other records on the topic" if letters.foreign else ""
