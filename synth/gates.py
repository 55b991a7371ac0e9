"""Whether a synthetic dataset may be published: every gate's figure, limit and verdict, in words.

Fails closed: a measure that is missing or not known fails its gate. Limits of fidelity are relative to what real
held-out rows (ceiling) and independent columns (floor) get, so that one setting fits tables of any size. Limits of
privacy are on the excess over held-out real rows; an excess counts once its interval excludes zero, and an interval so
wide that a large excess cannot be ruled out fails too.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from synth.fidelity.fidelity import Fidelity
from synth.fidelity.intervals import Score
from synth.privacy.copies import CopyShare
from synth.privacy.measures import Privacy


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a dataset must keep to. Losses are below the ceiling; shares of the way are from floor to ceiling."""

    most_shape_loss: float = 0.04
    most_trend_loss: float = 0.04
    least_c2st_of_way: float = 0.30
    least_c2st_strong_of_way: float = 0.20
    most_utility_loss: float = 0.05
    """Of AUROC; asked where there is a label."""
    most_class_shape_loss: float = 0.05
    most_rare_levels_loss: float = 0.30
    most_sequence_loss: float = 0.15
    """Of the gaps between a key's events, their transitions and the rhythm of the week; asked of keyed streams."""
    most_near_copy_excess: float = 0.005
    """Synthetic less held-out rows, as a fraction."""
    most_exact_copy_excess: float = 0.005
    most_copy_excess_possible: float = 0.05
    """The upper end of the interval of either excess: too few rows to rule this out fail."""
    most_membership_auc: float = 0.55
    most_membership_auc_possible: float = 0.65
    most_rare_levels_excess: float = 0.0
    """Share of the levels too rare to be handed out that came out again, less that of held-out rows."""
    most_rare_numbers_excess: float = 0.05
    most_replaced_again: float = 0.01
    """Share of the values of an identifying column that are training values."""

    def document(self) -> dict[str, float]:
        """JSON-able."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, float]) -> "Thresholds":
        """What `document` wrote; limits it lacks are the defaults. Raises ValueError for a name there is not."""
        unknown = document.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"{', '.join(sorted(unknown))}: no such limit; name some of {[f.name for f in fields(cls)]}"
            )
        return cls(**document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One question, its figure and its limit. A figure or limit that is not known is NaN."""

    name: str
    figure: float
    limit: float
    passed: bool
    reason: str
    """In words, whether it passed or not."""

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Gate":
        """What `document` wrote."""
        known = {k: math.nan if document[k] is None else float(document[k]) for k in ("figure", "limit")}
        return cls(**{**document, **known})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether every gate passed."""

    passed: bool
    gates: tuple[Gate, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed; empty where it passed."""
        return tuple(gate.reason for gate in self.gates if not gate.passed)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {"passed": self.passed, "reasons": list(self.reasons), "gates": [gate.document() for gate in self.gates]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Verdict":
        """What `document` wrote; `passed` follows from the gates."""
        gates = tuple(Gate.from_document(gate) for gate in document["gates"])
        return cls(passed=bool(gates) and all(gate.passed for gate in gates), gates=gates)


def decide(fidelity: Fidelity | None, privacy: Privacy | None, thresholds: Thresholds | None = None) -> Verdict:
    """The verdict on one dataset; measurements that are not there fail."""
    limits = thresholds or Thresholds()
    gates = (*_fidelity_gates(fidelity, limits), *_privacy_gates(privacy, limits))
    return Verdict(passed=all(gate.passed for gate in gates), gates=gates)


def _fidelity_gates(fidelity: Fidelity | None, limits: Thresholds) -> tuple[Gate, ...]:
    if fidelity is None:
        return (_unknown("fidelity", "fidelity was not measured"),)
    if not fidelity.columns:
        return (_unknown("fidelity", "; ".join(("fidelity could not be measured", *fidelity.notes))),)
    asked: tuple[tuple[str, str, Callable[[Score], float], bool], ...] = (
        ("shape", "columns by themselves", lambda s: _below(s, limits.most_shape_loss), True),
        ("trend", "pairs of columns", lambda s: _below(s, limits.most_trend_loss), True),
        ("c2st", "classifier test", lambda s: _along(s, limits.least_c2st_of_way), True),
        ("c2st_strong", "strong classifier test", lambda s: _along(s, limits.least_c2st_strong_of_way), True),
        ("utility", "a classifier trained on it", lambda s: _below(s, limits.most_utility_loss), True),
        ("class_shape", "columns within classes", lambda s: _below(s, limits.most_class_shape_loss), False),
        ("rare_levels", "rare levels", lambda s: _below(s, limits.most_rare_levels_loss), False),
        ("conditions", "rows that meet the conditions", lambda s: 1.0, False),
    )
    gates = []
    for name, title, limit, required in asked:
        if name in fidelity.scores:
            score = fidelity.scores[name]
            gates.append(_at_least(name, title, score.value, limit(score), score))
        elif name in fidelity.inapplicable:
            reason = f"{title}: not asked, {fidelity.inapplicable[name]}"
            gates.append(Gate(name=name, figure=math.nan, limit=math.nan, passed=True, reason=reason))
        elif required:
            gates.append(_unknown(name, "; ".join((f"{title}: not measured", *fidelity.notes[-1:]))))
    return (*gates, *_sequence_gates(fidelity.sequences, limits))


def _sequence_gates(sequences: Mapping[str, Any] | None, limits: Thresholds) -> tuple[Gate, ...]:
    """Of keyed streams; a figure that histories do not have (no gaps, no columns of names) is not asked."""
    if sequences is None:
        return ()
    found = {"gaps": sequences["gaps"], "rhythm": sequences["rhythm"]}
    found |= {f"transitions of {column}": score for column, score in sequences["transitions"].items()}
    gates = []
    for name, part in found.items():
        score = Score.from_document(part)
        if not math.isnan(score.ceiling):
            limit = _below(score, limits.most_sequence_loss)
            gates.append(_at_least(f"sequences: {name}", f"histories, {name}", score.value, limit, score))
    return tuple(gates)


def _below(score: Score, loss: float) -> float:
    """So far below the ceiling, or farther where the score itself is not known as finely: few rows prove no loss."""
    width = score.high - score.low
    return score.ceiling - (max(loss, width) if math.isfinite(width) else loss)


def _along(score: Score, share: float) -> float:
    """A share of the way from floor to ceiling, less what the score itself is not known by. Where independent columns
    are hard to tell from real ones (few rows, columns that go together little) the way starts at half the ceiling."""
    floor, width = min(score.floor, score.ceiling / 2), score.high - score.low
    return floor + share * (score.ceiling - floor) - (width if math.isfinite(width) else 0.0)


def _at_least(name: str, title: str, figure: float, limit: float, score: Score) -> Gate:
    if math.isnan(figure) or math.isnan(limit):
        return _unknown(name, f"{title}: the score, its ceiling or its floor is not known")
    passed = figure >= limit
    beside = f"real rows {score.ceiling:.3f}, independent columns {score.floor:.3f}"
    reason = f"{title}: {figure:.3f}, {'at least' if passed else 'less than'} {limit:.3f} ({beside})"
    return Gate(name=name, figure=figure, limit=limit, passed=passed, reason=reason)


def _privacy_gates(privacy: Privacy | None, limits: Thresholds) -> tuple[Gate, ...]:
    if privacy is None:
        return (_unknown("privacy", "privacy was not measured"),)
    rare = privacy.rare_values
    numbers = rare.numbers_again - rare.numbers_held_out
    where = f" ({', '.join(rare.columns)})" if rare.columns else ""
    levels = f"rare levels handed out again, above real rows{where}"
    again = rare.levels_again - rare.levels_held_out
    replaced = f"values of {rare.replaced_column or 'replaced columns'} that are training values"
    near, exact = limits.most_near_copy_excess, limits.most_exact_copy_excess
    return (
        _copies("near_copies", "near copies of training rows", privacy.near_copies, near, limits),
        _copies("exact_copies", "exact copies of training rows", privacy.exact_copies, exact, limits),
        _membership(privacy, limits),
        _at_most("rare_levels_again", levels, again, limits.most_rare_levels_excess),
        _at_most("rare_numbers_again", "rare exact numbers above real rows", numbers, limits.most_rare_numbers_excess),
        _at_most("replaced_again", replaced, rare.replaced_again, limits.most_replaced_again),
    )


def _copies(name: str, title: str, share: CopyShare, limit: float, limits: Thresholds) -> Gate:
    """An excess fails once it is above its limit and no accident, or where a large one cannot be ruled out."""
    if any(math.isnan(value) for value in (share.excess, share.excess_low, share.excess_high)):
        return _unknown(name, f"{title}: not measured")
    found = f"{title}: {share.synthetic:.2%} of synthetic rows, {share.held_out:.2%} of held-out real rows"
    if share.excess > limit and share.excess_low > 0.0:
        reason, passed = f"{found}, more than {limit:.2%} above them", False
    elif share.excess_high > limits.most_copy_excess_possible:
        possible = limits.most_copy_excess_possible
        reason, passed = f"{found}; too few rows to rule out an excess of {possible:.0%}: measure on more", False
    else:
        reason, passed = f"{found}", True
    return Gate(name=name, figure=share.excess, limit=limit, passed=passed, reason=reason)


def _membership(privacy: Privacy, limits: Thresholds) -> Gate:
    found = privacy.membership
    name, title = "membership", "telling training rows from others by the synthetic rows"
    if any(math.isnan(value) for value in (found.auc, found.low, found.high, found.floor)):
        return _unknown(name, f"{title}: not measured, too few held-out rows")
    known = f"{found.low:.3f} to {found.high:.3f}; independent columns {found.floor:.3f}, a guess 0.5"
    shown, values_alone = f"{title}: AUC {found.auc:.3f} ({known})", max(0.0, found.floor - 0.5)
    limit, possible = limits.most_membership_auc + values_alone, limits.most_membership_auc_possible + values_alone
    if found.auc > limit and found.low > 0.5 + values_alone:
        reason, passed = f"{shown}, above {limit:.3f}", False
    elif found.high > possible:
        reason, passed = f"{shown}; too few rows to rule out {possible:.3f}", False
    else:
        reason, passed = shown, True
    return Gate(name=name, figure=found.auc, limit=limit, passed=passed, reason=reason)


def _at_most(name: str, title: str, figure: float, limit: float) -> Gate:
    """A share; NaN where the table has nothing of the sort, which is no failure: these are counts, always taken."""
    if math.isnan(figure):
        return Gate(name=name, figure=figure, limit=limit, passed=True, reason=f"{title}: the table has none")
    passed = figure <= limit
    reason = f"{title}: {figure:.2%}, {'at most' if passed else 'more than'} {limit:.2%}"
    return Gate(name=name, figure=figure, limit=limit, passed=passed, reason=reason)


def _unknown(name: str, reason: str) -> Gate:
    return Gate(name=name, figure=math.nan, limit=math.nan, passed=False, reason=reason)
