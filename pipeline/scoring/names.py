"""What scorers are called: in consumer groups, as static members, as transactional producers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which slot of which host this is."""

    instance: str
    slot: int = 0


def group_name(stream: str) -> str:
    """The consumer group of a stream's scorers."""
    return f"eddyline.{stream}.score"


def slot_name(stream: str, instance: str, slot: int) -> str:
    """What a worker slot is called, in its group and as a transactional producer: the same after every restart, and
    different on every host."""
    return f"eddyline.{stream}.score.{instance}.{slot}"
