"""What a dataset says of itself: the manifest's lineage, and a Croissant document that other tools can read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.synthesis.croissant import data_type
from pipeline.synthesis.parts import file_sha256
from tests.pipeline.synthesis.making import GENERATOR_ID, Workshop

CROISSANT_1_0 = "http://mlcommons.org/croissant/1.0"
REQUIRED = ("@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished")
"""Of a dataset, by the specification of Croissant 1.0; `distribution` too."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.catalogue.close()


def croissant(shop: Workshop, **asked: Any) -> tuple[dict[str, Any], Path]:
    """A dataset's Croissant document and the folder it lies in."""
    about = shop.make(shop.request(**asked)).places.about
    return json.loads((about / "croissant.json").read_text()), about


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, the outermost first, its context aside."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name != "@context":
                yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def test_the_manifest_says_where_the_rows_come_from(shop: Workshop) -> None:
    request = shop.request(rows=250, seed=7, where="country=BR")
    made = shop.make(request)
    manifest = json.loads((made.places.about / "manifest.json").read_text())
    assert manifest["generator"]["id"] == GENERATOR_ID
    assert manifest["generator"]["source"] == shop.source
    assert manifest["request"] == request.document()
    assert (manifest["seed"], manifest["rows"], manifest["stream"]) == (7, 250, "payments")
    assert {"libraries", "licence", "gates", "schema", "croissant_sha256"} < set(manifest)
    assert [f["kind"] for f in manifest["schema"]] == ["numeric", "categorical", "time", "boolean"]
    for part in manifest["files"]:
        path = made.places.published / part["name"]
        assert part["sha256"] == file_sha256(path)
        assert part["rows"] == pq.read_metadata(path).num_rows


@pytest.mark.parametrize("rows", [150, 950])
def test_the_croissant_document_has_what_the_specification_requires(shop: Workshop, rows: int) -> None:
    document, _ = croissant(shop, rows=rows)
    assert not [name for name in (*REQUIRED, "distribution") if not document.get(name)]
    assert document["@type"] == "sc:Dataset"
    assert document["conformsTo"] == CROISSANT_1_0
    assert document["@context"]["conformsTo"] == "dct:conformsTo"
    assert document["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert urlparse(document["license"]).scheme == "https"
    for entry in document["distribution"]:
        assert {"@id", "name", "encodingFormat"} <= set(entry)
        assert entry["@type"] in ("cr:FileObject", "cr:FileSet")
        assert {"contentUrl", "sha256"} <= set(entry) or {"includes", "containedIn"} <= set(entry)
    [records] = document["recordSet"]
    assert records["@type"] == "cr:RecordSet"
    assert [field["name"] for field in records["field"]] == ["amount", "country", "at", "fraud"]
    types = [field["dataType"] for field in records["field"]]
    assert types == ["sc:Float", "sc:Text", "sc:DateTime", "sc:Boolean"]
    for field in records["field"]:
        assert field["source"]["extract"] == {"column": field["name"]}


@pytest.mark.parametrize("rows", [150, 950])
def test_every_reference_and_every_term_of_it_is_defined(shop: Workshop, rows: int) -> None:
    document, _ = croissant(shop, rows=rows)
    ids = [node["@id"] for node in nodes(document) if "@id" in node and len(node) > 1]
    assert len(ids) == len(set(ids))
    assert {node["@id"] for node in nodes(document) if set(node) == {"@id"}} <= set(ids)
    prefixes = {t.split(":")[0] for n in nodes(document) for t in (n.get("@type"), n.get("dataType")) if t}
    assert prefixes <= set(document["@context"])
    own = {"field", "recordSet", "source", "extract", "column", "fileSet", "fileObject", "includes", "isLiveDataset"}
    used = {name for node in nodes(document) for name in node}
    assert all(document["@context"][name] == f"cr:{name}" for name in own & used)


@pytest.mark.parametrize("rows", [150, 950])
def test_its_files_are_found_from_where_it_lies_and_fit_their_hashes(shop: Workshop, rows: int) -> None:
    document, about = croissant(shop, rows=rows)
    files = [entry for entry in document["distribution"] if entry["@type"] == "cr:FileObject"]
    assert len(files) == -(-rows // 200)
    for entry in files:
        path = about / entry["contentUrl"]
        assert entry["sha256"] == file_sha256(path)
        assert entry["contentSize"] == f"{path.stat().st_size} B"


def test_lists_and_other_types_are_described() -> None:
    lists = pa.field("names", pa.list_(pa.string()))
    assert data_type(lists) == "sc:Text"
    assert data_type(pa.field("n", pa.int32())) == "sc:Integer"
    assert data_type(pa.field("d", pa.date32())) == "sc:Date"
    assert data_type(pa.field("c", pa.dictionary(pa.int8(), pa.string()))) == "sc:Text"
    assert data_type(pa.field("m", pa.decimal128(9, 2))) == "sc:Float"
