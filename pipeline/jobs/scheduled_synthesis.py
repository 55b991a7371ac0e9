"""`train_generator` and `generate_dataset` as jobs: what the commands do, for a window that ends when the run was due.

Restart: both are a function of the run's fire, so a run done again asks for the same. A training goes on from its
checkpoint, a dataset from its last complete file; what was published already is found there.
"""

import hashlib
from dataclasses import asdict
from typing import Any

from pipeline.catalogue.entries import GeneratorEntry
from pipeline.errors import ConfigError, UnavailableError
from pipeline.expectations.gate import check_window
from pipeline.expectations.suite_file import suite_path, usable_suite
from pipeline.jobs.synth_generate import Generated, synth_generate
from pipeline.jobs.synth_train import SynthTrained, SynthTrainOptions, synth_train
from pipeline.lake.synthetic_layout import DatasetPlaces
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.withdrawn import first_usable, why_withdrawn, withdrawn_times
from pipeline.scheduling.arguments import GenerateDataset, TrainGenerator
from pipeline.scheduling.job import JobContext, JobOutcome, RunStatus
from pipeline.synthesis.generator_store import GeneratorStore
from pipeline.synthesis.parts import PartFolder
from pipeline.synthesis.requests import GenerationRequest
from pipeline.synthesis.source import SourceRequest, read_source
from pipeline.synthesis.stream_source import real_halves, stream_roles

DAY_MS = 86_400_000
_SEEDS = 2**31


def train_generator(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Train a generator on the stream's archive of the days before the run's fire; refused where the window's data is
    bad. Raises ConfigError where there are no rows, or none that can be learned from."""
    asked = TrainGenerator.model_validate(arguments)
    end_ms = _fire_ms(job)
    start_ms = end_ms - round(asked.window_days * DAY_MS)
    options = SynthTrainOptions(model=asked.model, seed=asked.seed, budget_seconds=asked.budget_seconds)
    known = _trained_before(job, options, {"start_ms": start_ms, "end_ms": end_ms})
    if known is not None:
        return JobOutcome(reason=f"generator {known} was trained already", result={"generator_id": known})
    bad = _bad_data(job, start_ms, end_ms)
    if bad:
        return JobOutcome(status=RunStatus.REFUSED, reason="; ".join(bad), result={"reasons": list(bad)})
    request = SourceRequest(
        name=job.spec.stream,
        start_ms=start_ms,
        end_ms=end_ms,
        most_rows=asked.most_rows,
        seed=asked.seed,
        roles=stream_roles(job.spec, asked.label),
        without=tuple(withdrawn_times(job.catalogue, job.spec.stream)),
    )
    trained = synth_train(
        read_source(request, lake=job.context.lake(), spec=job.spec),
        stream=job.spec.stream,
        options=options,
        store=GeneratorStore(job.context.settings.models),
        catalogue=job.catalogue,
        clock=job.clock,
        report=job.report,
        before_publishing=job.before_publishing,
    )
    return _trained(trained, asked.model)


def generate_dataset(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Make a dataset with a generator of the stream; refused where its gates refuse it.

    Raises ConfigError where the stream has no such generator, UnavailableError while another process makes the same
    dataset.
    """
    asked = GenerateDataset.model_validate(arguments)
    entry = _generator(job, asked)
    bundle = GeneratorStore(job.context.settings.models).load(entry.generator_id)
    request = GenerationRequest(
        generator_id=entry.generator_id,
        rows=asked.rows,
        seed=seed_of(job.spec.stream, _fire_ms(job)) if asked.seed == "per fire" else asked.seed,
        where=asked.where,
        balance=asked.balance,
        anomalies=asked.anomalies,
    )
    lake = job.context.lake()
    _wait_for_others(lake.places(job.spec.stream, request.dataset_id))
    made = synth_generate(
        request,
        bundle=bundle,
        real=lambda: real_halves(lake, bundle),
        lake=lake,
        catalogue=job.catalogue,
        clock=job.clock,
        report=lambda rows, doing: job.report(rows / asked.rows, doing),
        before_publishing=job.before_publishing,
    )
    return _made(made)


def seed_of(stream: str, fire_ms: int) -> int:
    """The seed of one fire: other rows each time, the same rows when its run is done again."""
    return int(hashlib.sha256(f"{stream}@{fire_ms}".encode()).hexdigest(), 16) % _SEEDS


def _trained_before(job: JobContext, options: SynthTrainOptions, window: dict[str, int]) -> str | None:
    """The generator that this run made before it died, if it came so far: a bundle's id holds how long its training
    took, so a training done twice would make two."""
    for entry in job.catalogue.generators(job.spec.stream):
        is_same = entry.facts.get("options") == asdict(options) and entry.source.get("window") == window
        if is_same and why_withdrawn(job.catalogue, Node(NodeKind.GENERATOR, entry.generator_id)) is None:
            return entry.generator_id
    return None


def _bad_data(job: JobContext, start_ms: int, end_ms: int) -> tuple[str, ...]:
    """Why nothing may be learned from a window; empty where it may."""
    if not job.spec.quality.gate:
        return ()
    job.report(0.0, "checking the window's quality")
    suite = usable_suite(suite_path(job.context.settings, job.spec.stream), job.spec)
    lake = job.context.lake()
    return check_window(job.spec, lake, start_ms=start_ms, end_ms=end_ms, suite=suite, clock=job.clock).reasons


def _generator(job: JobContext, asked: GenerateDataset) -> GeneratorEntry:
    """The generator asked for: the newest that may be used, known before the fire where there is one, for a run done
    again must not take one trained since."""
    stream, fire_ms = job.spec.stream, _fire_ms(job)
    if asked.generator is not None:
        found = job.catalogue.generator(asked.generator)
        if found.stream != stream:
            raise ConfigError(f"generator {found.generator_id} learned from {found.stream}, not from {stream}")
        return found
    fitting = [g for g in job.catalogue.generators(stream) if asked.model in (None, g.model)]
    if not fitting:
        model = f" by {asked.model}" if asked.model else ""
        raise ConfigError(
            f"{stream} has no generator{model} yet: add a job `run: train_generator`, or run `eddyline synth train "
            f"{stream}`"
        )
    before = [g for g in fitting if g.created_ms <= fire_ms]
    since = [g for g in reversed(fitting) if g.created_ms > fire_ms]
    by_node = {Node(NodeKind.GENERATOR, g.generator_id): g for g in [*before, *since]}
    return by_node[first_usable(job.catalogue, by_node)]


def _wait_for_others(places: DatasetPlaces) -> None:
    """A child of a leader that is gone may hold the dataset for a second or two more."""
    try:
        with PartFolder(places).locked():
            pass
    except ConfigError as error:
        raise UnavailableError(str(error)) from error


def _fire_ms(job: JobContext) -> int:
    return job.clock.now_ms() if job.fire_ms is None else job.fire_ms


def _trained(trained: SynthTrained, model: str) -> JobOutcome:
    bundle, quality = trained.bundle, trained.quality
    result = {
        "generator_id": bundle.generator_id,
        "model": model,
        "rows": trained.train_rows,
        "held_out_rows": trained.held_out_rows,
        "seconds": round(trained.report.seconds, 1),
        "quality": quality.document() if quality is not None else None,
    }
    return JobOutcome(reason=f"generator {bundle.generator_id} ({model}), {trained.train_rows:,} rows", result=result)


def _made(made: Generated) -> JobOutcome:
    rows, dataset_id = made.manifest["rows"], made.places.dataset_id
    result = {"dataset_id": dataset_id, "request_id": made.request_id, "rows": rows, "made": made.made}
    if made.judged.passed:
        return JobOutcome(reason=f"dataset {dataset_id} published, {rows:,} rows", result=result)
    reasons = "; ".join(made.judged.reasons)
    result["reasons"] = list(made.judged.reasons)
    return JobOutcome(
        status=RunStatus.REFUSED, reason=f"dataset {dataset_id} was refused by its gates: {reasons}", result=result
    )
