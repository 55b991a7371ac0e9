"""How well generated tokens can be told from held-out ones: what a GAN has in place of a held-out likelihood.

Gradient boosting of a few rounds, cross-fitted on the tokens themselves. 0 is what cannot be told apart, 1 what always
can: |2 AUC − 1|.
"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from torch import Tensor

from synth.autoregressive.model import AutoregressiveModel, natural_order
from synth.autoregressive.sampler import Sampler
from synth.codec import TokenCodec

MOST_ROWS = 4_000
ROUNDS = 40


class HeldOutLook:
    """Called with the numbers of the rows held out; deterministic in the seed."""

    def __init__(self, model: AutoregressiveModel, codec: TokenCodec, rows: Tensor, *, seed: int) -> None:
        self.model, self.rows, self.seed = model, rows, seed
        self.order = natural_order(codec.tokens)

    def __call__(self, at: Tensor) -> float:
        """See the module's head."""
        real = self.rows[at[:MOST_ROWS]].cpu().numpy()
        made = Sampler(self.model).draw(len(real), self.order, np.random.default_rng([self.seed, 5])).tokens_NT
        both, truth = np.concatenate([real, made]), np.repeat([0, 1], len(real))
        mixed = np.random.default_rng([self.seed, 6]).permutation(len(both))
        halves = mixed[: len(real)], mixed[len(real) :]
        areas = []
        for learn, judge in (halves, halves[::-1]):
            told = HistGradientBoostingClassifier(max_iter=ROUNDS, early_stopping=False, random_state=self.seed % 2**32)
            told.fit(both[learn], truth[learn])
            areas.append(roc_auc_score(truth[judge], told.predict_proba(both[judge])[:, 1]))
        return float(abs(2.0 * np.mean(areas) - 1.0))
