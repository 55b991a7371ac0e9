"""An inferred spec as YAML that a person reads and edits, with the reason for every guess beside it."""

import json
import re

from detectors.columns import Role
from pipeline.column_guesses import Guess
from pipeline.config import CodecFormat, Settings, TimeUnit
from pipeline.inference import Inferred

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
_WIDTH = 100


def spec_yaml(inferred: Inferred, *, source: str) -> str:
    """The text of `streams/NAME.yaml`."""
    spec = inferred.spec
    lines = [
        f"# Guessed from {inferred.rows:,} events of {_one_line(source)}. Read it, mend it, then run `eddyline check`.",
        "",
        f"stream: {_text(spec.stream)}",
        f"topic: {_text(spec.topic)}",
        f"format: {spec.format.value:<8}# {_FORMATS[spec.format]}",
        "",
        *_KINDS,
        "columns:",
    ]
    for guess in inferred.guesses:
        lines += _column(guess, spec.format)
    if inferred.left_out:
        lines += ["", "# Fields no column was made of (they are ignored; their number is in the metrics):"]
        lines += [f"#   {_one_line(name)}: {why}" for name, why in inferred.left_out.items()]
    if spec.column_with(Role.KEY) is None:
        lines += ["", "# No column has the role key: give it to the one that names the entity alerts are about."]
    if spec.column_with(Role.TIME) is None:
        lines += ["", "# No column has the role time: events are dated by when they were appended to the topic."]
    lines += ["", *_BUDGET, f"  alerts_per_day: {spec.budget.alerts_per_day:g}", "", *_REST]
    return "\n".join(lines) + "\n"


def settings_yaml(settings: Settings) -> str:
    """The text of a first `eddyline.yaml`: what most people change, with the defaults."""
    addresses = ", ".join(_text(address) for address in settings.kafka.bootstrap)
    return f"""# Settings of this Eddyline service. Relative paths are relative to this file.
# Environment variables win: EDDYLINE_KAFKA_BOOTSTRAP, EDDYLINE_LAKE, EDDYLINE_CATALOGUE …

kafka:
  bootstrap: [{addresses}]
  delivery: exactly_once        # at_least_once for brokers without transactions

lake: lake                      # folder of archived events
models: models                  # folder of model bundles
catalogue: sqlite:///eddyline.db
streams: streams                # folder of stream specs
"""


def _column(guess: Guess, format: CodecFormat) -> list[str]:
    spec = guess.spec
    missing = f"; missing in {guess.missing_share:.1%}" if guess.missing_share > 0 else ""
    lines = [f"  # {_one_line(guess.why)}{missing}", f"  - name: {_text(spec.name)}"]
    if spec.path is not None:
        lines.append(f"    path: {_text(spec.path)}")
    lines.append(f"    kind: {spec.kind.value}")
    if spec.integer:
        lines.append("    integer: true")
    if spec.unit is not TimeUnit.ISO8601:
        lines.append(f"    unit: {spec.unit.value}")
    if spec.roles:
        lines.append(f"    roles: [{', '.join(sorted(role.value for role in spec.roles))}]")
    return lines


def _text(value: str) -> str:
    """A YAML scalar that is read back as this text."""
    plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _NOT_TEXT
    return value if plain else json.dumps(value)


def _one_line(text: str) -> str:
    """Text for a comment: one line, nothing that cannot be printed."""
    return "".join(c if c.isprintable() else "?" for c in text)[:_WIDTH]


_FORMATS = {CodecFormat.JSON: "one event a record", CodecFormat.ARROW: "many events a record, one Arrow IPC stream"}
_KINDS = (
    "# kind: numeric (a quantity), categorical (a name from a set), boolean, time, or text (carried along, not scored)",
    "# roles: id (names the event), time (when it happened), key (the entity alerts are grouped by), feature (scored),",
    "#   label (ground truth, for evaluation only), personal (masked wherever values are shown)",
    "# missing: rejected sends events without a value to the dead-letter topic (allowed by default)",
)
_BUDGET = (
    "# How many false alarms you are ready to look at, counted in alerts after grouping.",
    "budget:",
)
_REST = (
    "# Some further settings; docs/guide.md has all of them with their defaults:",
    "# alerts:",
    "#   group_gap_seconds: 300      # flagged events of one key closer than this are one alert",
    "#   silence_seconds: 600        # alert when the topic brings nothing for so long",
    "#   shadow: true                # count alerts, notify nobody",
    "# detector:",
    "#   name: vae",
    "#   time_budget_seconds: 120",
)
