"""How many a list shows, and what it says of those that it does not."""

from typing import Annotated

import typer

MOST_SHOWN = 20
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="So many at most, the newest.")]


def more_text(shown: int, more: int, things: str) -> str:
    """`460 more datasets: --limit 500 shows them all`; empty where there are no more."""
    return f"{more:,} more {things}: --limit {shown + more} shows them all" if more else ""
