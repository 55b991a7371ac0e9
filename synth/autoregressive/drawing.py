"""Rows under conditions, drawn by a sampler: what is asked for comes first, the rest in its light.

Several conditions at once are met by drawing more beginnings than rows and keeping them as often as their probability
says (sampling-importance resampling, Rubin 1987).

Shape legend: N rows, B beginnings of a row.
"""

from collections.abc import Sequence

import numpy as np

from synth.autoregressive.sampler import Drawn, Sampler
from synth.codec import TokenCodec
from synth.codec.column import FloatArray
from synth.errors import ImpossibleConditionsError
from synth.token_generator import TokenArray
from synth.wanted import LEAST_SHARE, Wanted

BEGINNINGS = 8
"""Drawn for each row where several conditions meet."""


def draw_tokens(
    sampler: Sampler,
    codec: TokenCodec,
    order: Sequence[int],
    rows: int,
    generator: np.random.Generator,
    wanted: Wanted,
) -> TokenArray:
    """Tokens of new rows, (N, T), all of what is wanted held. Raises ImpossibleConditionsError where it is too rare."""
    weights = wanted.weights(codec)
    if not weights:
        return sampler.draw(rows, order, generator, given=wanted.given).tokens_NT
    begun = _begun(sampler, codec, rows, weights, generator, wanted)
    given = wanted.given | {t: np.ascontiguousarray(begun[:, t]) for t in weights}
    return sampler.draw(rows, order, generator, given=given).tokens_NT


def _begun(
    sampler: Sampler,
    codec: TokenCodec,
    rows: int,
    weights: dict[int, FloatArray],
    generator: np.random.Generator,
    wanted: Wanted,
) -> TokenArray:
    """The conditioned tokens of each row, drawn as often as the model holds them probable."""
    first = list(weights)
    partners = {t: t - 1 for t in first if codec.tokens[t].second}
    if len(first) == 1:
        drawn = sampler.draw(rows, first, generator, given=wanted.given, weights=weights)
        _refuse_rare(drawn)
        return drawn.tokens_NT
    repeated = {t: np.repeat(classes_N, BEGINNINGS) for t, classes_N in wanted.given.items()}
    drawn = sampler.draw(rows * BEGINNINGS, first, generator, given=repeated, weights=weights, partners=partners)
    _refuse_rare(drawn)
    if not wanted.given:
        kept = generator.choice(len(drawn.mass_N), rows, p=drawn.mass_N / drawn.mass_N.sum())
        return drawn.tokens_NT[kept]
    mass_NB = np.maximum(drawn.mass_N.reshape(rows, BEGINNINGS), 1e-300).cumsum(axis=1)
    chosen_N = (mass_NB < generator.random((rows, 1)) * mass_NB[:, -1:]).sum(axis=1)
    kept_NT: TokenArray = drawn.tokens_NT[np.arange(rows) * BEGINNINGS + chosen_N]
    return kept_NT


def _refuse_rare(drawn: Drawn) -> None:
    share = float(drawn.mass_N.mean())
    if share < LEAST_SHARE:
        raise ImpossibleConditionsError(
            f"the conditions together fit about {share:.1e} of the rows, too few to draw from: loosen one of them"
        )
