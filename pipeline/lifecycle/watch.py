"""The job that watches a champion: goes back to the model before where the promise is left, asks for retraining.

A model is taken back once, by the rules of `rollback.py`, and only where the service itself had promoted it: what a
person put into service is a person's to take out. What was gone back to is not taken back in turn, and what was taken
back is never gone back to, so two models cannot take turns.
"""

from dataclasses import dataclass
from typing import Any

from detectors.budget import Budget
from pipeline.catalogue.entries import ChampionEntry
from pipeline.catalogue.service_entries import DecisionEntry
from pipeline.config import JobKind
from pipeline.errors import ModelError
from pipeline.feedback.verdicts import Verdict
from pipeline.lifecycle.challenge import champion_of
from pipeline.lifecycle.comparison import alerts_seen
from pipeline.lifecycle.records import PROMOTED, ROLLED_BACK, SERVICE, before_champion, decision
from pipeline.lifecycle.rollback import Service, Watch, goes_back
from pipeline.lifecycle.triggers import Origin, ask_for_retraining, schema_change
from pipeline.lifecycle.verdict import AlertsSeen
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.withdrawn import why_withdrawn
from pipeline.model_store import Bundle
from pipeline.scheduling.arguments import validated_arguments
from pipeline.scheduling.job import JobContext, JobOutcome
from pipeline.state.fitting import check_fits


def watch_champion(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Hold the champion's alerts against its promise, and its schema against the stream's."""
    validated_arguments(JobKind.WATCH_CHAMPION, arguments)
    promotions = job.catalogue.champions(job.spec.stream)
    if not promotions:
        return JobOutcome(reason="no model is in service")
    asked = _schema(job, promotions[0])
    service = service_of(job, promotions[0])
    outcome = _judge(job, promotions, service)
    result = {**outcome.result, "champion": promotions[0].model_id, "service": service.document()}
    return JobOutcome(reason="; ".join(one for one in (outcome.reason, asked) if one), result=result)


def service_of(job: JobContext, promotion: ChampionEntry) -> Service:
    """What a champion did since it took over, on the events that were archived."""
    stream, since_ms, now_ms = job.spec.stream, promotion.since_ms, job.clock.now_ms()
    budget = Budget(alerts_per_day=job.spec.budget.alerts_per_day, share_of_events=job.spec.budget.share_of_events)
    rows = 0
    if budget.share_of_events is not None:
        contents = job.context.lake().contents(stream, start_ms=since_ms, end_ms=now_ms)
        rows = sum(part.rows for part in contents)
    seconds = max(now_ms - since_ms, 0) / 1000.0
    return Service(
        seconds=seconds,
        alerts=job.catalogue.alert_counts(stream, promotion.model_id, since_ms, now_ms),
        confirmed=_confirmed(job, promotion),
        allowed=budget.allowed(rows=rows, seconds=seconds),
    )


def _confirmed(job: JobContext, promotion: ChampionEntry) -> int:
    """Its alerts since it took over that people confirmed."""
    return sum(
        said.verdict == Verdict.CONFIRMED
        and said.alert.get("model_id") == promotion.model_id
        and _started_ms(job, said.alert_id) >= promotion.since_ms
        for said in job.catalogue.feedback(job.spec.stream)
    )


def _started_ms(job: JobContext, alert_id: str) -> int:
    return job.catalogue.alert(alert_id).started_ms


@dataclass(frozen=True, slots=True)
class _Both:
    """Alerts of the champion and of the model before, on the same archived events."""

    now: AlertsSeen
    before: AlertsSeen


def _judge(job: JobContext, promotions: list[ChampionEntry], service: Service) -> JobOutcome:
    if service.watch is Watch.TOO_EARLY:
        return JobOutcome(reason="too early to say: scarcely any time or events since the champion took over")
    if service.watch is Watch.KEPT:
        return JobOutcome(reason=f"{service.unconfirmed} unconfirmed alerts, {service.allowed:.1f} promised")
    left = f"{service.unconfirmed} unconfirmed alerts where {service.allowed:.1f} were promised"
    decisions = job.catalogue.decisions(job.spec.stream, limit=1_000)
    why_not = _not_ours(job, promotions[0], decisions)
    before_id = before_champion(promotions, decisions, usable=lambda model_id: _usable(job, model_id))
    if why_not or before_id is None:
        return _ask(job, f"{left}; {why_not or 'there is no model to go back to'}")
    both = _both(job, promotions[0], before_id)
    if both is None:
        return _ask(job, f"{left}; the archive does not show what model {before_id} would have said")
    if not goes_back(service, now_alerts=both.now.alerts, before_alerts=both.before.alerts, allowed=both.now.allowed):
        return _ask(job, f"{left}; model {before_id} would have raised {both.before.alerts}: the stream has moved")
    return _roll_back(job, promotions[0], before_id, service, both, left)


def _not_ours(job: JobContext, promotion: ChampionEntry, decisions: list[DecisionEntry]) -> str:
    """Why this champion is not taken back by the service; empty where it may be."""
    if not job.spec.retraining.rollback:
        return "the stream's spec asks for no rollback"
    acted = [one for one in decisions if one.kind in (PROMOTED, ROLLED_BACK) and one.model_id == promotion.model_id]
    newest = max(acted, key=lambda one: one.decided_ms, default=None)
    if newest is None or newest.by != SERVICE:
        return "a person put it into service"
    return "it was gone back to" if newest.kind == ROLLED_BACK else ""


def _usable(job: JobContext, model_id: str) -> bool:
    """Whether a model can be gone back to: whole, fitting the stream, and not withdrawn."""
    try:
        check_fits(job.context.model_store().load(model_id), job.spec)
    except ModelError:
        return False
    return why_withdrawn(job.catalogue, Node(NodeKind.MODEL, model_id)) is None


def _both(job: JobContext, promotion: ChampionEntry, before_id: str) -> _Both | None:
    store, lake = job.context.model_store(), job.context.lake()
    bundles: dict[str, Bundle] = {"now": store.load(promotion.model_id), "before": store.load(before_id)}
    if not lake.contents(job.spec.stream, start_ms=promotion.since_ms, end_ms=job.clock.now_ms()):
        return None
    found = alerts_seen(
        job.spec,
        lake,
        {name: champion_of(bundle) for name, bundle in bundles.items()},
        start_ms=promotion.since_ms,
        end_ms=job.clock.now_ms(),
    )
    return _Both(found["now"], found["before"]) if found else None


def _ask(job: JobContext, reason: str) -> JobOutcome:
    """Nothing to go back to that mends it: a retraining may."""
    run_id = ask_for_retraining(job.catalogue, job.spec, origin=Origin.DRIFT, reason=reason, now_ms=job.clock.now_ms())
    asked = "" if run_id is None else f"; asked for a retraining ({run_id[:8]})"
    return JobOutcome(reason=reason + asked, result={"retraining": run_id})


def _roll_back(
    job: JobContext, promotion: ChampionEntry, before_id: str, service: Service, both: _Both, left: str
) -> JobOutcome:
    now_ms = job.clock.now_ms()
    reason = f"{left}; model {before_id} would have raised {both.before.alerts} on the same events"
    entry = decision(
        stream=job.spec.stream,
        kind=ROLLED_BACK,
        model_id=before_id,
        before_id=promotion.model_id,
        run_id=job.run_id,
        by=SERVICE,
        reason=reason,
        figures={
            "service": service.document(),
            "now": both.now.document(),
            "before": both.before.document(),
        },
        decided_ms=now_ms,
    )
    if not job.catalogue.decide(entry, champion=before_id):
        return JobOutcome(reason="another model was put into service meanwhile")
    run_id = ask_for_retraining(job.catalogue, job.spec, origin=Origin.ROLLBACK, reason=reason, now_ms=now_ms)
    return JobOutcome(
        reason=f"went back to {before_id}: {reason}",
        result={"rolled_back_to": before_id, "decision": entry.decision_id, "retraining": run_id},
    )


def _schema(job: JobContext, promotion: ChampionEntry) -> str:
    """Ask for a retraining where the champion does not know the stream's columns."""
    try:
        champion = job.context.model_store().load(promotion.model_id)
    except ModelError as error:
        return f"the champion cannot be loaded: {error}"
    change = schema_change(job.spec, job.context.lake().ledger(job.spec.stream), champion)
    if not change:
        return ""
    now_ms = job.clock.now_ms()
    run_id = ask_for_retraining(job.catalogue, job.spec, origin=Origin.SCHEMA_CHANGE, reason=change, now_ms=now_ms)
    return change + ("" if run_id is None else f"; asked for a retraining ({run_id[:8]})")
