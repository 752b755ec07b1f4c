"""How sure a number is: groups of clips drawn together or not at all, the same draws for every point.

A group is what must not be divided: a night of a site, a source file, what a person grouped. The spread over seeds is
added to the spread over groups.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from vernal.clips.splits import blocks
from vernal.common.settings import InnerShare, settings
from vernal.evaluation import bootstrap
from vernal.evaluation.leaderboard import mean_interval
from vernal.evaluation.metrics import ratio


@settings("features.evaluation")
class MeasureOptions:
    """`n_draws`: bootstrap draws of groups. `level`: coverage of intervals, in (0, 1). `seed`: of the draws."""

    n_draws: Annotated[int, Field(ge=10, le=100_000)] = 1_000
    level: InnerShare = 0.95
    seed: int = 0


class Groups:
    """The clips' groups and how often each is drawn."""

    def __init__(self, clips: pd.DataFrame, options: MeasureOptions) -> None:
        self.clips, self.options = clips, options
        self.true = clips["class"].to_numpy(dtype=str)
        self.names = sorted(set(self.true))
        labels, self.code = np.unique(blocks(clips).to_numpy(dtype=str), return_inverse=True)
        self.n = len(labels)
        self.sizes = np.bincount(self.code, minlength=self.n).astype(float)
        self.counts = bootstrap.draw_counts(options.seed, "features", self.n, options.n_draws)
        effective = bootstrap.effective_number(self.sizes)
        self.effective = effective if bootstrap.is_enough(self.n, effective) else 0.0
        self.chance = float(pd.Series(self.true).value_counts(normalize=True).max())

    def draws(self, predicted: np.ndarray) -> dict[str, np.ndarray]:
        """Accuracy and macro F1 in every draw; a class that was drawn away is left out of the mean."""
        place = {name: number for number, name in enumerate(self.names)}
        true = np.array([place[name] for name in self.true])
        called = np.array([place[name] for name in predicted])
        shape = (self.n, len(self.names))
        hit, support, said = (np.zeros(shape) for _ in range(3))
        np.add.at(hit, (self.code, true), true == called)
        np.add.at(support, (self.code, true), 1)
        np.add.at(said, (self.code, called), 1)
        hits, supports, saids = self.counts @ hit, self.counts @ support, self.counts @ said
        f1 = np.where(supports > 0, np.nan_to_num(ratio(2 * hits, supports + saids)), np.nan)
        return {"accuracy": ratio(hits.sum(1), supports.sum(1)), "macro_f1": np.nanmean(f1, axis=1)}

    def interval(self, values: Sequence[float], draws: np.ndarray) -> tuple[float, float]:
        """Interval of the mean of some runs: `values` (n,), `draws` (n, n_draws)."""
        return mean_interval(values, draws, self.effective, self.options.level)
