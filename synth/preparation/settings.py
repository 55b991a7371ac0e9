"""Settings of preparation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationSettings:
    """What counts as evidence, and how much is looked at."""

    least_level_rows: int = 5
    """A level, template or shape seen in fewer rows is not written down by itself."""
    relations: bool = True
    """Whether columns that others determine are found and recomputed instead of learned."""
    screened_rows: int = 2_000
    """Rows on which candidates for relations are tried before all rows are."""
    least_nats: float = 50.0
    """How improbable, as a natural logarithm, a relation must be under independent columns before it is believed."""
    least_rows: int = 30
    """Rows that must speak for a relation at least."""
    most_numbers: int = 60
    """Numeric columns among which sums and products are looked for: the first ones where there are more."""
    most_columns: int = 400
    """Columns among which functions of levels are looked for: the first ones where there are more."""
    longest_exact_days: int = 60
    """A time column over more days is learned as week and weekday, so that its weekly rhythm survives binning."""
