"""What the archiver commits beside an offset: enough for the next owner to finish what this one began."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitNote:
    """Travels as the commit's metadata."""

    topic_id: str
    """The offsets of a topic deleted since must not be applied to the one that has its name now."""
    first: int
    """Where the file's range begins: read again from here should the file be lost before it was published."""
    file: str | None = None
    """The file's final name below its topic's folder; None where the range held nothing to write."""
    temporary: str | None = None
    """Its name in the folder of open files."""

    def encode(self) -> str:
        """The metadata text, well under Kafka's 4,096 bytes."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, metadata: str) -> "CommitNote | None":
        """The note in a commit's metadata; None where another tool committed (offsets reset by hand)."""
        try:
            document = json.loads(metadata)
            return cls(**document)
        except (ValueError, TypeError):
            return None
