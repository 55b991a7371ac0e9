"""A suite inferred again keeps what people changed, added and took out, and their notes and severities."""

from typing import Any

from pipeline.expectations.asked import digest_of, entries_of
from pipeline.expectations.suite import Entry, Suite


def keeping_edits(fresh: Suite, before: Suite) -> Suite:
    """The fresh suite with people's entries in place of inferred ones.

    An entry is a person's where its digest is not the one noted when it was inferred, or where none was noted; one
    that was noted and is gone was taken out. Such entries keep the old digest, so that they stay a person's.
    """
    old, new = entries_of(before), entries_of(fresh)
    entries: dict[str, Entry | str] = {}
    digests: dict[str, str] = {}
    for name in [*new, *(name for name in old if name not in new)]:
        noted = before.as_inferred.get(name)
        if noted is not None and name not in old:
            digests[name] = noted
        elif name in old and (noted is None or digest_of(old[name]) != noted):
            entries[name] = old[name]
            digests |= {name: noted} if noted is not None else {}
        elif name in new:
            entries[name] = _with_words(new[name], old.get(name))
            digests[name] = digest_of(entries[name])
    return _rebuilt(fresh, entries, digests)


def _with_words(entry: Entry | str, old: Entry | str | None) -> Entry | str:
    if isinstance(entry, Entry) and isinstance(old, Entry):
        return entry.model_copy(update={"note": old.note, "severity": old.severity})
    return entry


def _rebuilt(fresh: Suite, entries: dict[str, Entry | str], digests: dict[str, str]) -> Suite:
    parts: dict[str, Any] = {"rows": {}, "keys": {}, "columns": {}, "relations": []}
    for name, entry in entries.items():
        part, _, rest = name.partition(".")
        if part == "relations":
            parts["relations"].append(entry)
        elif part == "columns":
            column, _, what = rest.rpartition(".")
            parts["columns"].setdefault(column, {})[what] = entry
        else:
            parts[part][rest] = entry
    document = {"stream": fresh.stream, "inferred": fresh.inferred, "as_inferred": digests, **parts}
    return Suite.model_validate(document)
