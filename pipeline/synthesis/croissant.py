"""A dataset in MLCommons Croissant 1.0 (http://mlcommons.org/croissant/1.0): JSON-LD that other tools can read.

Files are named relative to the document, so the lake can be moved as a whole.
"""

import os
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from detectors.columns import Kind, kind_of
from pipeline.lake.synthetic_layout import DatasetPlaces

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
RECORDS, FILES = "rows", "data-files"
_TERMS = (
    "citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated",
    "replace", "separator", "source", "subField", "transform",
)  # fmt: skip


def context() -> dict[str, Any]:
    """The JSON-LD context of Croissant 1.0: its terms, and the vocabularies they come from."""
    terms: dict[str, Any] = {term: f"cr:{term}" for term in _TERMS}
    return terms | {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
    }


def croissant(places: DatasetPlaces, manifest: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """The Croissant document of a dataset, from its manifest."""
    made = datetime.fromtimestamp(manifest["created_ms"] / 1000, UTC).isoformat(timespec="seconds")
    folder = os.path.relpath(places.published, places.about)
    return {
        "@context": context(),
        "@type": "sc:Dataset",
        "@id": f"{places.stream}-{places.dataset_id}",
        "name": f"{places.stream}-{places.dataset_id}",
        "description": _description(places, manifest),
        "conformsTo": CONFORMS_TO,
        "license": manifest["licence"],
        "url": folder,
        "creator": {"@type": "sc:Organization", "name": "Eddyline"},
        "datePublished": made,
        "dateCreated": made,
        "version": "1.0.0",
        "isLiveDataset": False,
        "keywords": ["synthetic", places.stream],
        "distribution": _distribution(manifest, folder),
        "recordSet": [_records(schema, _source(manifest["files"]))],
    }


def _description(places: DatasetPlaces, manifest: dict[str, Any]) -> str:
    generator = manifest["generator"]
    return (
        f"{manifest['rows']:,} synthetic rows in the manner of {places.stream}, made by the {generator['model']} "
        f"generator {generator['id']} with seed {manifest['seed']}. No row of it was observed."
    )


def _distribution(manifest: dict[str, Any], folder: str) -> list[dict[str, Any]]:
    files = [
        {
            "@type": "cr:FileObject",
            "@id": part["name"],
            "name": part["name"],
            "description": f"{part['rows']:,} rows.",
            "contentUrl": f"{folder}/{part['name']}",
            "contentSize": f"{part['size_bytes']} B",
            "encodingFormat": "application/x-parquet",
            "sha256": part["sha256"],
        }
        for part in manifest["files"]
    ]
    if len(files) == 1:
        return files
    together = {
        "@type": "cr:FileSet",
        "@id": FILES,
        "name": FILES,
        "description": "All files; each has the same columns.",
        "containedIn": [{"@id": part["name"]} for part in manifest["files"]],
        "encodingFormat": "application/x-parquet",
        "includes": "*.parquet",
    }
    return [*files, together]


def _source(files: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the fields' values are: the one file (which every reader can read), or all of them."""
    return {"fileObject": {"@id": files[0]["name"]}} if len(files) == 1 else {"fileSet": {"@id": FILES}}


def _records(schema: pa.Schema, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": RECORDS,
        "name": RECORDS,
        "description": "One record a row.",
        "field": [_field(field, source) for field in schema],
    }


def _field(field: pa.Field, source: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(field)
    many = {"repeated": True} if pa.types.is_list(field.type) else {}
    return many | {
        "@type": "cr:Field",
        "@id": f"{RECORDS}/{field.name}",
        "name": field.name,
        "description": f"{kind.value if kind is not None else 'a'} column, stored as {field.type}",
        "dataType": data_type(field),
        "source": source | {"extract": {"column": field.name}},
    }


def data_type(field: pa.Field) -> str:
    """The schema.org type of a column's values."""
    kind = field.type
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "sc:Float"
    if pa.types.is_date(kind):
        return "sc:Date"
    if pa.types.is_timestamp(kind) or kind_of(field) is Kind.TIME:
        return "sc:DateTime"
    return "sc:Text"
