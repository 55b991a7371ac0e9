"""Write a dataset's page: the figures its gates saw, with pictures of its rows beside rows that were held back."""

from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.lake.durable import to_json, write_atomic
from pipeline.lake.synthetic_layout import REPORT, REPORT_DATA, DatasetPlaces
from pipeline.synthesis.chunk_maker import conditions_of
from pipeline.synthesis.gate_sample import gate_sample
from pipeline.synthesis.generator_store import GeneratorBundle
from pipeline.synthesis.manifest import read_manifest
from pipeline.synthesis.requests import GenerationRequest
from pipeline.synthesis.split import Halves

PICTURE_ROWS = 20_000


def write_report(
    places: DatasetPlaces, *, bundle: GeneratorBundle, real: Halves, output: Path | None = None
) -> tuple[Path, Path]:
    """The page and the JSON beside it: below the lake's metadata, or in the folder `output`.

    Raises ConfigError where the dataset has no files or was not measured.
    """
    # Imported late: pictures bring matplotlib.
    from synth.fidelity import Fidelity
    from synth.gates import Thresholds, Verdict
    from synth.privacy import Privacy
    from synth.report import document, page

    manifest = read_manifest(places)
    gates, folder = manifest["gates"], places.data
    if folder is None or "fidelity" not in gates:
        raise ConfigError(
            f"dataset {places.dataset_id} has no {'files' if folder is None else 'measurements'} to report on: "
            "`eddyline synth show` says where it stands"
        )
    request = GenerationRequest(**manifest["request"])
    files = [folder / part["name"] for part in manifest["files"]]
    found = document(
        title=f"{places.stream}: dataset {places.dataset_id}",
        real=real.held_out,
        synthetic=gate_sample(files, bundle.schema, most=PICTURE_ROWS, seed=request.seed),
        fidelity=Fidelity.from_document(gates["fidelity"]),
        privacy=Privacy.from_document(gates["privacy"]),
        verdict=Verdict.from_document(gates["verdict"]),
        thresholds=Thresholds.from_document(gates["thresholds"]),
        lineage=_lineage(manifest),
        label=bundle.label,
        conditions=conditions_of(request, bundle.schema),
        seed=request.seed,
    )
    target = output if output is not None else places.about
    write_atomic(target / REPORT_DATA, to_json(found))
    write_atomic(target / REPORT, page(found).encode())
    return target / REPORT, target / REPORT_DATA


def _lineage(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the page says of where the rows come from."""
    generator, request = manifest["generator"], manifest["request"]
    source = generator["source"]
    asked = {name: request[name] for name in ("rows", "seed", "where", "balance", "anomalies") if request[name]}
    return {
        "dataset": manifest["dataset"],
        "request": ", ".join(f"{name} {value}" for name, value in asked.items()),
        "generator": f"{generator['id']} ({generator['model']})",
        "learned from": source["file"] or f"the archive of {source['name']}",
        "source rows": source["rows"],
        "source fingerprint": source["fingerprint"],
        "compared": manifest["gates"]["compared"],
        "licence": manifest["licence"],
        "libraries": ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items()),
    }
