"""One challenge from its window to its decision: train, compare, decide, and write everything down.

What is published comes in this order: the bundle, its rows in the catalogue, its edges of lineage, its evaluation, and
last the decision, in one transaction with the promotion and only while the champion it was compared with is still in
service. A run cut short anywhere leaves at most a model that nobody uses.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.catalogue.service_entries import DecisionEntry, EvaluationEntry
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ModelError
from pipeline.lifecycle.challenger import Asked, Challenger, Parts, make_challenger, share_out
from pipeline.lifecycle.comparison import CHALLENGER, CHAMPION, Comparison, Competitor, compare
from pipeline.lifecycle.inputs import Inputs
from pipeline.lifecycle.ports import LifeArchive, LifeCatalogue
from pipeline.lifecycle.records import PROMOTED, REFUSED, decision, evaluation
from pipeline.lifecycle.verdict import Decided, Verdict, decide
from pipeline.lineage.edges import edge, edge_from_window, edges_of_training
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import archive_window
from pipeline.model_store import Bundle, ModelStore
from pipeline.state.fitting import check_fits

Report = Callable[[float, str], None]
TRAINING_SHARE = 0.8
"""Of the progress shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenged:
    """What a challenge came to."""

    bundle: Bundle
    comparison: Comparison
    decided: Decided
    decision: DecisionEntry
    evaluation: EvaluationEntry

    def result(self) -> dict[str, Any]:
        """For the record of the run."""
        return {
            "model": self.bundle.model_id,
            "champion_before": self.decision.before_id,
            "decision": self.decision.decision_id,
            "evaluation": self.evaluation.evaluation_id,
            "verdict": self.decision.kind,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenging:
    """What a challenge works with."""

    spec: StreamSpec
    lake: LifeArchive
    store: ModelStore
    catalogue: LifeCatalogue
    clock: Clock
    inputs: Inputs
    by: str
    run_id: str | None = None
    before_publishing: Callable[[], None] = lambda: None


def challenge(work: Challenging, asked: Asked, *, report: Report = lambda fraction, text: None) -> Challenged:
    """Train a challenger, compare it, and put it into service where it is better.

    Raises ConfigError where the window cannot be learned from or compared on.
    """
    spec = work.spec
    before_id = work.catalogue.champion(spec.stream)
    champion, note = comparable_champion(work.store, spec, before_id)
    parts = share_out(spec, work.lake, asked, champion)
    made = make_challenger(
        spec,
        work.lake,
        parts,
        asked,
        left_out=work.inputs.left_out(work.lake, start_ms=parts.start_ms, end_ms=parts.cut_ms, champion=champion),
        champion=champion,
        report=lambda fraction, text: report(TRAINING_SHARE * fraction, text),
    )
    comparison = compare(
        spec,
        work.lake,
        competitors(made, champion),
        start_ms=parts.compare_ms,
        end_ms=parts.end_ms,
        seed=spec.detector.seed if asked.seed is None else asked.seed,
        judge=work.inputs.judge(champion),
        without=work.inputs.withdrawn,
        report=lambda fraction, text: report(TRAINING_SHARE + (0.98 - TRAINING_SHARE) * fraction, text),
    )
    notes = [one for one in (note, _seen_note(parts)) if one]
    done = _publish(work, made, parts, before_id, comparison, decide(comparison.compared()), notes)
    report(1.0, done.decided.reason)
    return done


def comparable_champion(store: ModelStore, spec: StreamSpec, model_id: str | None) -> tuple[Bundle | None, str]:
    """The champion, or None with the reason where it cannot score this stream as it now is."""
    if model_id is None:
        return None, ""
    try:
        bundle = store.load(model_id)
        check_fits(bundle, spec)
    except ModelError as error:
        return None, f"the champion could not be compared: {error}"
    return bundle, ""


def competitors(made: Challenger, champion: Bundle | None) -> dict[str, Competitor]:
    """Who is held against whom; the challenger comes first."""
    found = {CHALLENGER: Competitor(detector=made.detector, threshold=made.threshold)}
    if champion is not None:
        found[CHAMPION] = champion_of(champion)
    return found | {name: Competitor(detector=detector) for name, detector in made.baselines.items()}


def champion_of(bundle: Bundle) -> Competitor:
    """A model in the store, as a competitor."""
    return Competitor(
        detector=bundle.detector,
        threshold=bundle.threshold,
        model_id=bundle.model_id,
        trained_to_ms=bundle.facts.get("end_ms"),
    )


def _seen_note(parts: Parts) -> str:
    return "the champion has learned from rows of the replay, which flatters it" if parts.champion_saw else ""


def _publish(
    work: Challenging,
    made: Challenger,
    parts: Parts,
    before_id: str | None,
    comparison: Comparison,
    decided: Decided,
    notes: list[str],
) -> Challenged:
    spec, now_ms = work.spec, work.clock.now_ms()
    work.before_publishing()
    bundle = work.store.save(
        stream=spec.stream,
        detector=made.detector,
        threshold=made.threshold,
        schema=made.schema,
        created_ms=now_ms,
        facts=made.facts,
        profile=made.profile,
    )
    document = {**comparison.document(), "verdict": decided.verdict.value, "reasons": decided.reasons, "notes": notes}
    figures = evaluation(stream=spec.stream, model_id=bundle.model_id, created_ms=now_ms, figures=document)
    work.catalogue.register_stream(spec.model_dump(mode="json"), spec.stream)
    work.catalogue.add_model(bundle)
    work.catalogue.add_evaluation(figures)
    work.catalogue.add_edges(_edges(work, bundle, parts, figures, before_id, made.facts))
    decided, entry = _decide(work, bundle, before_id, figures, decided)
    return Challenged(bundle=bundle, comparison=comparison, decided=decided, decision=entry, evaluation=figures)


def _decide(
    work: Challenging, bundle: Bundle, before_id: str | None, figures: EvaluationEntry, decided: Decided
) -> tuple[Decided, DecisionEntry]:
    """Written, and acted on; refused after all where another model was put into service meanwhile."""
    entry = decision(
        stream=work.spec.stream,
        kind=PROMOTED if decided.promoted else REFUSED,
        model_id=bundle.model_id,
        before_id=before_id,
        evaluation_id=figures.evaluation_id,
        run_id=work.run_id,
        by=work.by,
        reason=decided.reason,
        figures=figures.figures,
        decided_ms=work.clock.now_ms(),
    )
    if work.catalogue.decide(entry, champion=bundle.model_id if decided.promoted else None):
        return decided, entry
    reason = "another model was put into service meanwhile, and this one was not compared with it: train again"
    entry = replace(entry, kind=REFUSED, reason=reason)
    work.catalogue.decide(entry)
    return Decided(verdict=Verdict.REFUSED, reasons=(reason,)), entry


def _edges(
    work: Challenging,
    bundle: Bundle,
    parts: Parts,
    figures: EvaluationEntry,
    before_id: str | None,
    facts: dict[str, Any],
) -> list[Any]:
    stream, now_ms = work.spec.stream, figures.created_ms
    without = work.inputs.withdrawn
    learned = archive_window(work.lake, stream, start_ms=parts.start_ms, end_ms=parts.cut_ms, without=without)
    replayed = archive_window(work.lake, stream, start_ms=parts.compare_ms, end_ms=parts.end_ms, without=without)
    flagged = (facts.get("flagged_by_champion") or {}).get("left_out", 0)
    model, found = Node(NodeKind.MODEL, bundle.model_id), Node(NodeKind.EVALUATION, figures.evaluation_id)
    edges = edges_of_training(
        [learned], model, stream=stream, made_ms=now_ms, from_models=[before_id] if flagged and before_id else []
    )
    edges += [edge(model, found, stream=stream, made_ms=now_ms)]
    edges += [edge_from_window(replayed, found, stream=stream, made_ms=now_ms)]
    if before_id is not None and CHAMPION in figures.figures["figures"]:
        edges.append(edge(Node(NodeKind.MODEL, before_id), found, stream=stream, made_ms=now_ms))
    return edges
