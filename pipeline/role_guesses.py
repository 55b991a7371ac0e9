"""Which column of a sample has the roles that one column has: time, label, key, id."""

from dataclasses import dataclass, replace

from detectors.columns import Kind, Role
from pipeline.column_guesses import Guess
from pipeline.errors import ConfigError
from pipeline.sampling import Path
from pipeline.value_patterns import ID_WORDS, KEY_WORDS, LABEL_WORDS, words_of

_MOST_LABELS = 50
"""Distinct values of a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Roles that the person states and are not guessed, by column name or path."""

    key: str | None = None
    label: str | None = None
    time: str | None = None


def with_roles(guesses: list[Guess], wishes: Wishes, rows: int) -> list[Guess]:
    """Give the roles that one column has: time, label, key, id; stated ones first."""
    chosen: dict[Role, Path | None] = {
        Role.TIME: _wished(guesses, wishes.time, "--time") or _first_time(guesses),
        Role.LABEL: _wished(guesses, wishes.label, "--label") or next(iter(_labels(guesses)), None),
    }
    guesses = _without_other_truths(guesses, chosen[Role.LABEL])
    taken = {path for path in chosen.values() if path is not None}
    chosen[Role.KEY] = _wished(guesses, wishes.key, "--key") or _best_key(guesses, rows, taken)
    taken |= {path for path in chosen.values() if path is not None}
    chosen[Role.ID] = _first_id(guesses, rows, taken)
    return [_with_role(guess, {role for role, path in chosen.items() if path == guess.path}) for guess in guesses]


def _with_role(guess: Guess, roles: set[Role]) -> Guess:
    if not roles:
        return guess
    if Role.TIME in roles and guess.spec.kind is not Kind.TIME:
        raise ConfigError(f"--time {guess.spec.name}: its values are no times ({guess.why}); name another column")
    kept = guess.spec.roles | roles
    if roles & {Role.LABEL, Role.ID, Role.KEY}:
        kept -= {Role.FEATURE}  # an entity's name says nothing of the event, and a rare name is no anomaly
    said = ", ".join(sorted(role.value for role in roles))
    spec = guess.spec.model_copy(update={"roles": frozenset(kept)})
    return replace(guess, spec=spec, why=f"{guess.why}; role {said}")


def _wished(guesses: list[Guess], name: str | None, option: str) -> Path | None:
    if name is None:
        return None
    for guess in guesses:
        if name in (guess.spec.name, ".".join(guess.path)):
            return guess.path
    known = ", ".join(g.spec.name for g in guesses)
    raise ConfigError(f"{option} {name}: the events have no such field; they have {known}")


def _first_time(guesses: list[Guess]) -> Path | None:
    times = [g for g in guesses if g.spec.kind is Kind.TIME]
    named = [g for g in times if words_of(g.spec.name)[-1:] in (["time"], ["timestamp"], ["ts"], ["at"])]
    return next((g.path for g in [*named, *times]), None)


def _labels(guesses: list[Guess]) -> list[Path]:
    scored = (Kind.BOOLEAN, Kind.CATEGORICAL)
    named = [g for g in guesses if LABEL_WORDS & set(words_of(g.path[-1])) and g.spec.kind in scored]
    return [g.path for g in named if g.distinct <= _MOST_LABELS]


def _without_other_truths(guesses: list[Guess], label: Path | None) -> list[Guess]:
    """Other columns that read like the truth are no features: a detector that saw them would only seem to be good.

    Behind the label they are labels too (what kind of fraud it was); before it they are carried along.
    """
    others = set(_labels(guesses)) - {label}
    found, seen_label = [], False
    for guess in guesses:
        seen_label = seen_label or guess.path == label
        if guess.path in others:
            roles = frozenset({Role.LABEL}) if seen_label else frozenset()
            spec = guess.spec.model_copy(update={"roles": roles})
            guess = replace(guess, spec=spec, why=f"{guess.why}; its name says truth, so it is not scored")
        found.append(guess)
    return found


def _best_key(guesses: list[Guess], rows: int, taken: set[Path]) -> Path | None:
    """The entity by name, of those that come again and again (three events each, or more) and are not just a few."""
    candidates = [
        g
        for g in guesses
        if g.path not in taken and g.spec.kind in (Kind.TEXT, Kind.CATEGORICAL) and 2 <= g.distinct <= rows / 3
    ]
    for names in (lambda g: g.path[-1], lambda g: ".".join(g.path)):
        for word in KEY_WORDS:
            found = next((g.path for g in candidates if word in words_of(names(g))), None)
            if found is not None:
                return found
    return None


def _first_id(guesses: list[Guess], rows: int, taken: set[Path]) -> Path | None:
    for guess in guesses:
        kinds = (Kind.TEXT, Kind.CATEGORICAL)
        each_its_own = guess.distinct == rows and guess.spec.kind in kinds
        if guess.path not in taken and each_its_own and ID_WORDS & set(words_of(guess.spec.name)):
            return guess.path
    return None
