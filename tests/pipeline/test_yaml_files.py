"""A person who mistypes settings is told everything that is wrong, where, and how to mend it."""

from pathlib import Path

import pytest

from pipeline.codecs.registry import make_codec
from pipeline.errors import ConfigError
from pipeline.yaml_files import load_files, read_files, read_spec

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
SPEC = """\
stream: payments
topic: pay
columns:
  - name: amount
    kind: numeric
    roles: [feature]
budget:
  alerts_per_day: 5
"""


def spec_problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    _, problems = read_spec(path)
    return [f"{p.line}: {p.message}" for p in problems]


def settings(tmp_path: Path, text: str = "") -> Path:
    path = tmp_path / "eddyline.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_loads_and_has_a_codec(path: Path) -> None:
    spec, problems = read_spec(path)
    assert problems == ()
    assert spec is not None
    assert make_codec(spec).decode([]).batch.schema == spec.schema()


def test_there_are_examples() -> None:
    assert {p.stem for p in EXAMPLES} >= {"payments", "network_flows", "telemetry"}


def test_all_errors_of_a_spec_are_said_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """\
stream: payments
topic: pay ments
formt: json
columns:
  - name: amount
    kind: numerc
    roles: [feature]
  - name: no
    kind: numeric
    kind: text
    mising: allowed
  - kind: boolean
budget:
  alerts_per_day: -3
"""
    found = spec_problems(tmp_path, text)
    expected = {
        2: "a topic's name has letters",
        3: "did you mean `format`?",
        6: "did you mean `numeric`?",
        8: "put it in quotes",
        10: "stands twice, here and on line 9",
        11: "did you mean `missing`?",
        12: "columns.2.name: this field is needed",
        14: "greater than 0",
    }
    assert sorted(int(line.split(":")[0]) for line in found) == sorted(expected)
    for line in found:
        assert expected[int(line.split(":")[0])] in line


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("stream: a\n\ttopic: b\n", 2, "spaces, not tabs"),
        ("stream: [a\ntopic: b\n", 2, "not YAML"),
        ("- a\n- b\n", 1, "`name: value` lines"),
        ("stream: !!python/object/apply:os.system ['true']\n", 1, "stream"),
        ("a: &a [*a]\n", 1, "alias"),
        ("? [a]\n: 1\n", 1, "plain name"),
        (SPEC + "alerts:\n  suppress:\n    - name: x\n      where: {amount: 1}\n      until: soon\n", 13, "ISO 8601"),
        (SPEC.replace("name: amount", "name: amount\n    path: a..b"), 3, "empty part"),
        (SPEC.replace("5", "5\n  share_of_events: 0.1"), 7, "exactly one"),
        (SPEC + "notify: {name: x}\n", 9, "a list is expected"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    found = spec_problems(tmp_path, text)
    assert any(problem.startswith(f"{line}: ") and said in problem for problem in found), found


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert any("unfold" in problem for problem in spec_problems(tmp_path, text))


def test_files_that_are_not_there_or_not_text_are_said(tmp_path: Path) -> None:
    assert "no such file" in str(read_files(tmp_path / "gone.yaml").problems[0])
    path = tmp_path / "eddyline.yaml"
    path.write_bytes(b"lake: \xff\n")
    assert "UTF-8" in str(read_files(path).problems[0])


def test_one_name_for_two_streams_is_refused_and_one_topic_for_two_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "streams"
    folder.mkdir()
    (folder / "a.yaml").write_text(SPEC)
    (folder / "b.yaml").write_text(SPEC)
    (folder / "c.yml").write_text(SPEC.replace("payments", "refunds"))
    with pytest.raises(ConfigError, match=r"(?s)b\.yaml:1: .*a\.yaml too.*eddyline check"):
        load_files(settings(tmp_path), environment={})
    (folder / "b.yaml").unlink()
    loaded = load_files(settings(tmp_path), environment={})
    assert {name: spec.topic for name, spec in loaded.specs.items()} == {"payments": "pay", "refunds": "pay"}


def test_paths_are_relative_to_the_settings_file(tmp_path: Path) -> None:
    loaded = load_files(settings(tmp_path, "lake: data/lake\n"), environment={})
    assert loaded.settings.lake == str(tmp_path / "data/lake")
    assert loaded.settings.catalogue == f"sqlite:///{tmp_path}/eddyline.db"
    kept = load_files(settings(tmp_path, "catalogue: postgresql://db/x\n"), environment={})
    assert kept.settings.catalogue == "postgresql://db/x"
    with pytest.raises(ConfigError, match=r"eddyline\.yaml:1: lake: s3:// is not supported yet"):
        load_files(settings(tmp_path, "lake: s3://bucket/lake\n"), environment={})


def test_a_folder_of_streams_that_was_named_must_exist(tmp_path: Path) -> None:
    assert load_files(settings(tmp_path), environment={}).specs == {}
    with pytest.raises(ConfigError, match=r"eddyline\.yaml:1: streams: there is no folder"):
        load_files(settings(tmp_path, "streams: nowhere\n"), environment={})


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        "EDDYLINE_KAFKA_BOOTSTRAP": "one:9092, two:9092",
        "EDDYLINE_LAKE": "elsewhere",
        "EDDYLINE_CATALOGUE": "postgresql://db/eddyline",
        "EDDYLINE_MASKING_KEY": "secret",
    }
    path = settings(tmp_path, "kafka:\n  bootstrap: [three:9092]\n  session_timeout_ms: 9000\n")
    loaded = load_files(path, environment=environment)
    assert loaded.settings.kafka.bootstrap == ("one:9092", "two:9092")
    assert loaded.settings.kafka.session_timeout_ms == 9000
    assert loaded.settings.lake == str(tmp_path / "elsewhere")
    assert loaded.settings.catalogue == "postgresql://db/eddyline"
    assert loaded.masking_key == b"secret"
    assert "secret" not in repr(loaded)


def test_a_wrong_value_in_the_environment_is_blamed_on_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environment: instance"):
        load_files(settings(tmp_path), environment={"EDDYLINE_INSTANCE": "no spaces allowed"})


def test_without_a_settings_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_files(environment={})
    assert loaded.settings_file is None
    assert loaded.settings.lake == str(tmp_path / "lake")
