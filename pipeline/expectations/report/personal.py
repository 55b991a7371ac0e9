"""The last look before something is shown: what a document says of personal columns, without any of their values."""

from collections.abc import Mapping
from typing import Any


def without_personal(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without examples and distributions of its personal columns.

    Whoever makes a document leaves them out already; a mistake there must not become a page that people pass on.
    """
    personal = frozenset(document["personal"])
    return {
        **document,
        "expectations": [
            {**check, "examples": []} if check["column"] in personal else check for check in document["expectations"]
        ],
        "distributions": [part for part in document["distributions"] if part["column"] not in personal],
    }
