"""People see what was rejected and why; personal bytes only when they ask for them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.commands import main
from pipeline.commands.context import Context
from pipeline.commands.deadletters import HIDDEN, hexdump, printable, shown
from pipeline.deadletters import dead_letter_records
from pipeline.intake import Intake
from pipeline.kafka.port import OutRecord
from pipeline.yaml_files import read_spec
from tests.fakes import MemoryBroker
from tests.pipeline.blocks import block

SPEC = """\
stream: payments
topic: pay
columns:
  - {name: card, kind: text, roles: [ROLES]}
  - {name: amount, kind: numeric, roles: [feature]}
budget: {alerts_per_day: 5}
"""
BAD = [b'{"card":"4111","amount":"x"}', b'{"card":"4111"', b"\x00\xff\x10", None]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["deadletters", *arguments])


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "streams").mkdir()
    made = MemoryBroker()
    monkeypatch.setattr(Context, "broker", lambda self: made)
    return made


def fill(broker: MemoryBroker, roles: str) -> None:
    path = Path("streams/payments.yaml")
    path.write_text(SPEC.replace("ROLES", roles))
    spec, _ = read_spec(path)
    assert spec is not None
    broker.add_topic(spec.dead_letters_topic, 2)
    source = block(BAD)
    for record in dead_letter_records(spec, source, Intake(spec).take(source).rejects):
        broker.append(record)
    broker.append(OutRecord(spec.dead_letters_topic, b"not ours", key=b"k"))


def test_list_says_when_where_and_why(broker: MemoryBroker) -> None:
    fill(broker, "")
    done = run("list", "payments")
    assert done.exit_code == 0, done.output
    for said in ("wrong_type", "malformed", "tombstone", "104", "2026-02-02", "4 of 4", "1 other record"):
        assert said in done.output
    only = run("list", "payments", "--reason", "tombstone")
    assert "wrong_type" not in only.output
    assert "4111" not in done.output


def test_count_counts_by_reason(broker: MemoryBroker) -> None:
    fill(broker, "")
    output = run("count", "payments").output
    assert "4 dead letters" in output
    assert any(line.split() == ["wrong_type", "1"] for line in output.splitlines())


def test_show_prints_text_as_it_is_and_other_bytes_as_a_dump(broker: MemoryBroker) -> None:
    fill(broker, "")
    assert '{"card":"4111","amount":"x"}' in run("show", "payments", "3", "100").output
    assert "00000000  00 ff 10" in run("show", "payments", "3", "104").output
    gone = run("show", "payments", "3", "1")
    assert gone.exit_code == 2
    assert "eddyline deadletters list payments" in gone.output


def test_bytes_of_a_stream_with_personal_columns_show_only_when_asked_for(broker: MemoryBroker) -> None:
    fill(broker, "personal, key")
    hidden = run("show", "payments", "3", "100").output
    assert HIDDEN in hidden
    assert "4111" not in hidden
    assert "4111" in run("show", "payments", "3", "100", "--reveal").output


def test_a_topic_that_does_not_exist_yet_is_said(broker: MemoryBroker) -> None:
    Path("streams/payments.yaml").write_text(SPEC.replace("ROLES", ""))
    done = run("list", "payments")
    assert done.exit_code == 2
    assert "eddyline topics create" in done.output


def test_bytes_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in shown(b"\x1b]0;title\x07 text")
    assert printable("a\nb\x1b[31m") == "a\nb\\x1b[31m"
    assert hexdump(bytes(range(40))).splitlines()[1].startswith("00000010  10 11")
    assert shown(None) == "null"
