"""Stored models beside one another, and beside baselines, on a replay that a person asks for."""

from collections.abc import Callable, Sequence

from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.split import split_at
from pipeline.jobs.training_data import TrainingData
from pipeline.lifecycle.challenge import champion_of
from pipeline.lifecycle.challenger import COMPARE_SHARE, fit_baselines
from pipeline.lifecycle.comparison import Comparison, Competitor, compare
from pipeline.lifecycle.inputs import Inputs
from pipeline.lifecycle.ports import LifeArchive
from pipeline.lifecycle.replay import LEAST_ROWS
from pipeline.model_store import Bundle
from pipeline.state.fitting import check_fits

Report = Callable[[float, str], None]


def compare_models(
    spec: StreamSpec,
    archive: LifeArchive,
    bundles: Sequence[Bundle],
    *,
    inputs: Inputs,
    start_ms: int | None = None,
    end_ms: int | None = None,
    baselines: bool = True,
    seed: int = 0,
    report: Report = lambda fraction, text: None,
) -> Comparison:
    """Hold the first model against the others, named by their ids, on the archived rows with start ≤ time < end.

    Where no start is given: the rows after all of them were trained, or the archive's newest fifth where those are too
    few (figures say which models have learned from it). Baselines learn from the rows before. Raises ConfigError where
    there are too few rows, ModelError for a model that does not fit the stream.
    """
    for bundle in bundles:
        check_fits(bundle, spec)
    begin = _begin(spec, archive, bundles, end_ms) if start_ms is None else start_ms
    competitors = {bundle.model_id: champion_of(bundle) for bundle in bundles}
    if baselines:
        report(0.0, "fitting the baselines")
        competitors |= _baselines(spec, archive, inputs, begin, seed)
    return compare(
        spec,
        archive,
        competitors,
        start_ms=begin,
        end_ms=end_ms,
        seed=seed,
        judge=inputs.judge(bundles[0]),
        without=inputs.withdrawn,
        report=lambda fraction, text: report(0.3 + 0.7 * fraction, text),
    )


def _begin(spec: StreamSpec, archive: LifeArchive, bundles: Sequence[Bundle], end_ms: int | None) -> int:
    """After what the models have seen, where enough lies there."""
    after = max(int(bundle.facts.get("end_ms", -1)) for bundle in bundles) + 1
    if archive.files(spec.stream):
        found = archive.iterate_in_order(spec.stream, start_ms=after, end_ms=end_ms, columns=["_time"], history=False)
        if sum(len(rows.times_ms) for rows in found) >= LEAST_ROWS:
            return after
        everything = archive.iterate_in_order(
            spec.stream, start_ms=None, end_ms=end_ms, columns=["_time"], history=False
        )
        split = split_at((rows.times_ms for rows in everything), share=COMPARE_SHARE)
        if split is not None:
            return split.cut_ms
    raise ConfigError(
        f"nothing of stream {spec.stream!r} is archived there: run `eddyline archive {spec.stream}`, or widen --from "
        "and --to"
    )


def _baselines(
    spec: StreamSpec, archive: LifeArchive, inputs: Inputs, begin_ms: int, seed: int
) -> dict[str, Competitor]:
    """Fitted on the rows before the replay; none where those are too few."""
    left_out = inputs.left_out(archive, start_ms=None, end_ms=begin_ms, champion=None)
    try:
        data = TrainingData(spec, archive, end_ms=begin_ms, seed=seed, leave_out=left_out)
    except ConfigError:
        return {}
    fitted = fit_baselines(data.fit_sample(), data.labels, seed=seed)
    return {name: Competitor(detector=detector) for name, detector in fitted.items()}
